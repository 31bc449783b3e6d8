"""How hard the property tests search: ``full``, or ``quick`` with ``--hypothesis-profile quick`` (`make unit`)."""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "full",
    deadline=None,
    max_examples=60,
    # The same examples at each run where others must be able to repeat a failure; elsewhere new ones each time.
    derandomize="CI" in os.environ,
    # To make a failing sequence of a state machine short takes minutes: for a person who waits for it.
    phases=(Phase.explicit, Phase.generate) if "CI" in os.environ else tuple(Phase),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("quick", settings.get_profile("full"), max_examples=5)
settings.load_profile("full")

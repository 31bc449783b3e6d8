"""How hard the property tests search."""

import os

from hypothesis import HealthCheck, Phase, settings

# The same examples at each run where others must be able to repeat a failure; elsewhere new ones each time.
settings.register_profile(
    "bounded",
    deadline=None,
    max_examples=60,
    derandomize="CI" in os.environ,
    # To make a failing sequence of a state machine short takes minutes: for a person who waits for it.
    phases=(Phase.explicit, Phase.generate) if "CI" in os.environ else tuple(Phase),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("bounded")

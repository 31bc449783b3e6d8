"""What `make mysql` examines: MySQL itself, with one password and with two. `make faults` has MariaDB."""

from dataclasses import replace

from rotation_lab.services import mysql
from rotation_lab.services.base import alone

from .cases import ADMIN, PASSWORD, _no_tls, case

_PLAIN = tuple(
    case(
        f"mysql/{who}{how}",
        PASSWORD,
        lambda: alone(mysql.start()),
        _no_tls(**admin, **settings),
        thin=True,
        keeps="strategy" in settings,
    )
    for who, admin in {"the user itself": {}, "an administrator": ADMIN}.items()
    for how, settings in {" on MySQL": {}, ", dual passwords": {"strategy": "dual"}}.items()
)
_WORLDS = [name for name in mysql.Account.misbehaviours if "certificate" not in name and "expired" not in name]
CASES = (
    *_PLAIN,
    *(replace(each, name=f"{each.name}, {world}", world=world) for each in _PLAIN for world in _WORLDS),
)

"""What `make mongodb` examines: a user of FerretDB, which that builds. MongoDB itself cannot be had."""

from rotation_lab.services import ferretdb
from rotation_lab.services.base import alone

from .cases import ADMIN, PASSWORD, _no_tls, case

CASES = tuple(
    case(f"mongodb/{who}", PASSWORD, lambda: alone(ferretdb.start(tls=False)), _no_tls(**settings), thin=True)
    for who, settings in {
        "the user itself": {},
        "an administrator": {"auth_source": ferretdb.DATABASE, **ADMIN},
    }.items()
)

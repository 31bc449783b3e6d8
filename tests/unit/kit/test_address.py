"""Where a service is."""

import pytest

from secret_rotation.errors import ConfigurationError
from secret_rotation.kit import address
from tests.messages import refused
from tests.support import contexts

context = contexts.of("mysql")


@pytest.mark.parametrize("host", ["db.example.com:3306", "10.0.0.5:3306", "[::1]:3306", "db.example.com:"])
def test_of_a_host_with_its_port_the_error_says_where_the_port_goes(host: str) -> None:
    """The endpoint of an RDS instance, as Terraform gives it, has both."""
    with refused(ConfigurationError, "'port'"):
        address.host(context(None), contexts.credential("x", host=host))


@pytest.mark.parametrize("host", ["db.example.com", "10.0.0.5", "::1", "fe80::1"])
def test_a_host_is_taken_as_it_is(host: str) -> None:
    assert address.host(context(None), contexts.credential("x", host=host)) == host


@pytest.mark.parametrize(
    "host",
    [
        "postgres://db.example.com",
        "db.example.com/app",
        "db.example.com\n",
        " db.example.com",
        "a.example,b.example",
        "app@db.example.com",
        "[::1]",
        "-h",
        "a..b",
    ],
)
def test_what_is_not_a_host_alone_is_an_error_of_the_configuration(host: str) -> None:
    """To look it up would be told as a fault of the network, and tried again."""
    with refused(ConfigurationError, "'host'"):
        address.host(context(None), contexts.credential("x", host=host))

"""The target ldap without a server: what its answers mean, and what bytes are no answer."""

from typing import Any

import pytest

from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    LockedError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
)
from secret_rotation.kit import ldap_client
from secret_rotation.kit.ldap_client import Client, MalformedError, Result, element, integer, octets, sequence
from secret_rotation.targets import ldap
from tests.messages import assert_explains

SERVER = ldap.Server("ds.example.com", 636, "cn=app", is_active_directory=False, starts_tls=False)
AD = "80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {}, v3839 s3cret"


@pytest.mark.parametrize(
    ("answer", "kind", "named"),
    [
        (Result(49, "s3cret"), AuthenticationError, "cn=app"),
        (Result(49, AD.format("52e")), AuthenticationError, "cn=app"),
        (Result(49, AD.format("775")), LockedError, "unlock"),
        (Result(49, AD.format("532")), ConfigurationError, "expired"),
        (Result(49, AD.format("773")), ConfigurationError, "next logon"),
        (Result(49, AD.format("533")), ConfigurationError, "disabled"),
        (Result(49, policy=1), LockedError, "pwdAccountLockedTime"),
        (Result(0, policy=2), ConfigurationError, "pwdMustChange"),
        (Result(19, policy=8), ValueRefusedError, "pwdInHistory"),
        (Result(19, policy=7), ConfigurationError, "pwdMinAge"),
        (Result(19, "0000052D: AtrErr: s3cret"), ValueRefusedError, "policy"),
        (Result(53, "0000052D: SvcErr: s3cret"), ValueRefusedError, "policy"),
        (Result(19, "00000056: AtrErr: s3cret"), AuthenticationError, "old password"),
        (Result(10, "ldap://evil.example.com/s3cret"), ConfigurationError, "referral"),
        (Result(13), ConfigurationError, "TLS"),
        (Result(50), ConfigurationError, "cn=app"),
        (Result(53), ConfigurationError, "replica"),
        (Result(51), NetworkError, "again"),
        (Result(34), SecretError, "distinguished name"),
        (Result(80, "s3cret"), TargetError, "LDAP result 80"),
    ],
)
def test_each_answer_is_a_kind_of_fault_and_says_what_to_do(
    answer: Result, kind: type[RotationError], named: str
) -> None:
    problem = SERVER.problem(answer, "cn=app")
    assert_explains(problem, kind, "ds.example.com:636", named)
    assert type(problem) is kind
    assert "s3cret" not in str(problem)


class Wire:
    """A connection whose other end has these bytes to say, a few at a time."""

    def __init__(self, answer: bytes, most: int = 3) -> None:
        self.answer, self.most, self.sent = answer, most, b""

    def recv(self, size: int) -> bytes:
        taken, self.answer = self.answer[: self.most], self.answer[self.most :]
        return taken

    def sendall(self, data: bytes) -> None:
        self.sent += data


def client(*answers: bytes) -> tuple[Client, Wire]:
    wire = Wire(b"".join(answers))
    made: Any = wire
    return Client(made), wire


def ends(code: int, controls: bytes = b"", number: int = 1) -> bytes:
    body = element(0x0A, bytes([code])) + octets("") + octets("why")
    return sequence(integer(number), element(0x61, body), controls)


def test_a_login_is_sent_as_the_protocol_says() -> None:
    made, wire = client(ends(0))
    assert made.bind("cn=app", "pässword") == Result(0, "why")
    control = element(0xA0, sequence(octets("1.3.6.1.4.1.42.2.27.8.5.1")))
    simple = element(0x60, b"\x02\x01\x03" + octets("cn=app") + element(0x80, "pässword".encode()))
    assert wire.sent == sequence(b"\x02\x01\x01", simple, control)


def test_a_password_policy_says_more() -> None:
    value = octets(sequence(element(0xA0, b""), element(0x81, b"\x01")))
    controls = element(0xA0, sequence(octets("1.3.6.1.4.1.42.2.27.8.5.1"), value))
    made, _ = client(ends(49, controls))
    assert made.bind("cn=app", "x") == Result(49, "why", 1)


def test_a_long_value_has_a_long_length() -> None:
    for size in (127, 128, 255, 256, 70_000):
        ((tag, body),) = ldap_client.elements(octets("x" * size))
        assert (tag, len(body)) == (4, size)
    assert [integer(n) for n in (0, 127, 128, 256)] == [b"\2\1\0", b"\2\1\x7f", b"\2\2\0\x80", b"\2\2\1\0"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        sequence(integer(2), element(0x61, b"")),  # to another request
        sequence(integer(1)),
        sequence(integer(1), element(0x61, b"\x0a\x01")),
        sequence(integer(1), b"\x61\x05ab"),
        b"\x30\x84\x7f\xff\xff\xff",
    ],
)
def test_what_is_no_answer_is_refused(answer: bytes) -> None:
    made, _ = client(answer)
    with pytest.raises(MalformedError):
        made.bind("cn=app", "x")


def test_a_connection_that_ends_in_between_is_a_fault_of_the_network() -> None:
    made, _ = client(ends(0)[:-3])
    with pytest.raises(ConnectionResetError):
        made.bind("cn=app", "x")


def test_a_filter_holds_a_name_as_it_is() -> None:
    """Nothing of it is read as a part of the filter."""
    assert ldap_client.equals("userPrincipalName", "*)(cn=*") == element(
        0xA3, octets("userPrincipalName") + octets("*)(cn=*")
    )


def test_references_to_other_servers_are_not_entries() -> None:
    entry = element(0x64, octets("cn=app") + sequence(sequence(octets("adminCount"), element(0x31, octets("1")))))
    reference = sequence(integer(1), element(0x73, octets("ldap://evil.example.com")))
    made, _ = client(sequence(integer(1), entry), reference, ends(0))
    assert made.search("", 0, ldap_client.present())[1] == [("cn=app", {"admincount": [b"1"]})]

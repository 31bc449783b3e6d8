"""SCRAM as libpq does it: what is hashed, and an exchange with a server."""

import base64
import hashlib
import hmac

import pytest

from secret_rotation.targets.databases import scram

PASSWORD, SALT, ITERATIONS = "s3cret-value", b"0123456789abcdef", 7


@pytest.mark.parametrize(
    ("password", "hashed"),
    [
        ("bell\a and\ttab\n", "bell\a and\ttab\n"),  # ASCII is never prepared
        ("caf\u00e9\u00a0x", "caf\u00e9 x"),
        ("e\u0301-\u2168-\ufb01", "\u00e9-IX-fi"),
        ("soft\u00adhyphen", "softhyphen"),
        ("zero\u200bwidth", "zero width"),
        ("\u00e9\n\u2168", "\u00e9\n\u2168"),  # prohibited: as it is
        ("\U0001f600\u2168", "\U0001f600\u2168"),  # unassigned in Unicode 3.2
        ("\u0378\u2168", "\u0378\u2168"),
        ("\u00ad", "\u00ad"),  # nothing would be left
        ("\u05d0\ufb2e", "\u05d0\u05d0\u05b7"),
        ("a\u05d0\u2168", "a\u05d0\u2168"),  # in both directions
        ("\u05d01\u2168", "\u05d01\u2168"),
    ],
)
def test_a_password_is_prepared_or_taken_as_it_is(password: str, hashed: str) -> None:
    assert scram.prepare(password) == hashed.encode()


def keys(password: str) -> tuple[bytes, bytes]:
    """ClientKey and ServerKey of RFC 5802."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, ITERATIONS)
    return hmac.digest(salted, b"Client Key", "sha256"), hmac.digest(salted, b"Server Key", "sha256")


def test_a_verifier_holds_what_the_server_compares() -> None:
    client, server = keys(PASSWORD)
    stored = base64.b64encode(hashlib.sha256(client).digest()).decode()
    salt, last = base64.b64encode(SALT).decode(), base64.b64encode(server).decode()
    assert scram.verifier(PASSWORD, ITERATIONS, SALT) == f"SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{last}"


def begun(*, nonce: str = "", iterations: str = str(ITERATIONS)) -> tuple[scram.Exchange, str, str]:
    """An exchange up to the server's first message, and what was said before."""
    exchange = scram.Exchange(PASSWORD, None)
    name, first = exchange.begin(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", ""])
    assert (name, first[:8]) == ("SCRAM-SHA-256", b"n,,n=,r=")
    bare = first.decode().removeprefix("n,,")
    own = bare.removeprefix("n=,r=")
    said = f"r={nonce or own + 'server'},s={base64.b64encode(SALT).decode()},i={iterations}"
    return exchange, bare, said


def test_the_server_and_the_client_prove_that_they_know_the_password() -> None:
    exchange, bare, said = begun()
    exchange.read_first(said)
    final, proof = exchange.prove().decode().rsplit(",p=", 1)
    client, server = keys(PASSWORD)
    text = f"{bare},{said},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client).digest(), text, "sha256")
    assert bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True)) == client
    with pytest.raises(scram.ScramError):
        exchange.read_final("v=" + base64.b64encode(b"x" * 32).decode())
    assert not exchange.finished
    exchange.read_final("v=" + base64.b64encode(hmac.digest(server, text, "sha256")).decode())
    assert exchange.finished


@pytest.mark.parametrize("changed", [{"nonce": "other"}, {"iterations": "0"}, {"iterations": "10000001"}])
def test_a_first_message_that_is_not_an_answer_is_refused(changed: dict[str, str]) -> None:
    exchange, _, said = begun(**changed)
    with pytest.raises(scram.ScramError):
        exchange.read_first(said)


@pytest.mark.parametrize("said", ["", "r=x", "nothing", "r=x,s=?,i=1", "r=x,s=eA==,i=many"])
def test_a_first_message_that_cannot_be_read_is_refused(said: str) -> None:
    exchange, _, _ = begun()
    with pytest.raises(scram.ScramError):
        exchange.read_first(said)


def test_a_server_that_offers_another_mechanism_alone_is_refused() -> None:
    with pytest.raises(scram.ScramError):
        scram.Exchange(PASSWORD, None).begin(["SCRAM-SHA-1"])

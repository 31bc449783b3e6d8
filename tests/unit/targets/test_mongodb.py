"""The target mongodb against a stand-in: roles, replica sets, refusals, and what is no answer: FerretDB has none."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import bson
import pytest

from rotation_lab.contract.network import closed_port
from rotation_lab.model.secrets_manager import SecretsManager
from secret_rotation.errors import (
    AuthenticationError,
    ConfigurationError,
    IdentityMismatchError,
    NetworkError,
    RotationError,
    SecretError,
    TargetError,
    ValueRefusedError,
)
from secret_rotation.kit import mongo_client
from secret_rotation.kit.mongo_client import MalformedError
from secret_rotation.target import Context, Credential
from secret_rotation.targets import mongodb
from tests.messages import refused
from tests.support import contexts, mongo
from tests.support.contexts import credential
from tests.support.mongo import SHA_1, SHA_256, Mongo, User, refusal
from tests.unit.kit.servers import serving

complete = contexts.of("mongodb")
FIRST, SECOND, ADMIN = "s3cret-first", "s3cret-second", "s3cret-admin"


@pytest.fixture
def server() -> Mongo:
    return Mongo({"shop.app": User(FIRST), "admin.admin": User(ADMIN)})


@pytest.fixture
def port(server: Mongo) -> Iterator[int]:
    with mongo.running(server) as found:
        yield found


def version(password: str, port: int, /, **others: object) -> Credential:
    return credential(password, **{"host": "127.0.0.1", "port": port, "dbname": "shop", **others})


def step(port: int, current: str = FIRST, /, **settings: str) -> Context:
    return complete(version(SECOND, port), version(current, port), **{"tls": "disable", **settings})


def administered(port: int, secret: Mapping[str, object] | None = None, **settings: str) -> Context:
    manager = SecretsManager()
    text = version(ADMIN, port, **{"username": "admin", "dbname": "admin", **(secret or {})}).text
    given = {"auth_source": "shop", **settings, "admin_secret_arn": manager.create(text, "admin")}
    made = step(port, **{name: value for name, value in given.items() if value})
    return replace(made, client=lambda _: manager.client())


# Who logs in, where, and how.


@pytest.mark.parametrize("mechanisms", [[SHA_1], [SHA_256], [SHA_1, SHA_256]])
@pytest.mark.parametrize("make", [step, administered])
def test_the_ways_to_log_in_stay_as_they_were(server: Mongo, port: int, mechanisms: list[str], make: Any) -> None:
    """Without ``mechanisms`` MongoDB would add every one that it has."""
    server.users["shop.app"].mechanisms = mechanisms
    mongodb.set_secret(make(port))
    mongodb.test_secret(make(port))
    assert server.users["shop.app"] == User(SECOND, mechanisms)


def test_a_server_that_does_not_say_how_a_user_logs_in_is_one_with_sha_1(server: Mongo, port: int) -> None:
    server.says_mechanisms = False
    mongodb.set_secret(step(port))
    assert server.users["shop.app"].password == SECOND


def test_a_password_is_changed_for_most_members(server: Mongo, port: int) -> None:
    mongodb.set_secret(step(port))
    (change,) = (each for each in server.commands if "updateUser" in each)
    assert (change["$db"], change["updateUser"], change["writeConcern"]) == ("shop", "app", {"w": "majority"})


@pytest.mark.parametrize(
    ("fields", "settings", "database"),
    [
        ({"dbname": None}, {}, "admin"),
        ({}, {}, "shop"),
        ({"authSource": "users"}, {}, "users"),
        ({"authSource": "users"}, {"auth_source": "other"}, "other"),
    ],
)
def test_the_users_database_is_that_of_a_connection_string(
    server: Mongo, port: int, fields: dict[str, object], settings: dict[str, str], database: str
) -> None:
    server.users = {f"{database}.app": User(FIRST)}
    mongodb.test_secret(complete(version(FIRST, port, **fields), tls="disable", **settings))
    assert server.logins == [("app", True)]


def test_pending_and_current_are_for_one_user() -> None:
    names = {"host": "a", "port": "1", "username": "app", "authSource": "b", "dbname": "c"}
    assert mongodb.identity(version("x", 1, **names)) == names


def test_a_name_is_sent_as_scram_says(server: Mongo, port: int) -> None:
    server.users["shop.a=b,c"] = User(FIRST)
    mongodb.test_secret(complete(version(FIRST, port, username="a=b,c"), tls="disable"))
    assert server.logins == [("a=b,c", True)]


def test_a_server_that_would_learn_the_password_gets_no_proof(server: Mongo, port: int) -> None:
    server.iterations = 4095
    with refused(TargetError, "4095", "4096"):
        mongodb.test_secret(step(port))
    assert server.logins == []


def test_a_server_has_to_know_the_password_too(server: Mongo, port: int) -> None:
    server.answers["saslContinue"] = {"ok": 1, "done": True, "payload": b"v=AAAA", "conversationId": 1}
    with refused(TargetError, "SCRAM"):
        mongodb.test_secret(step(port))


PAYLOAD = {"payload": b"r=x,s=eA==,i=4096", "conversationId": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({}, NetworkError),
        ({"payload": "text", "conversationId": 1}, NetworkError),
        ({"payload": b"\xff", "conversationId": 1}, TargetError),
        (PAYLOAD, TargetError),  # not made of what was sent
        ({"ok": 0.0}, TargetError),
        ({"ok": 0.0, "code": "18", "errmsg": "s3cret"}, TargetError),
    ],
)
def test_a_server_that_answers_a_login_in_another_way_is_refused(
    server: Mongo, port: int, answer: dict[str, Any], kind: type[RotationError]
) -> None:
    server.answers["saslStart"] = {"ok": 1.0, **answer}
    with refused(kind, f"127.0.0.1:{port}"):
        mongodb.test_secret(step(port))


@pytest.mark.parametrize("conversation", [None, "1", 2**40, -1])
def test_a_login_without_a_conversation_is_no_login(server: Mongo, port: int, conversation: object) -> None:
    usual = server._saslStart
    server._saslStart = lambda *given: {  # type: ignore[method-assign]
        **usual(*given),
        "conversationId": conversation,
    }
    with refused(NetworkError, f"127.0.0.1:{port}"):
        mongodb.test_secret(step(port))


def test_a_login_that_the_server_ends_with_an_empty_turn_is_one(server: Mongo, port: int) -> None:
    usual = server._saslContinue

    def answer(command: dict[str, Any], login: dict[str, Any]) -> dict[str, Any]:
        if not command["payload"]:
            return {"done": True, "payload": b""}
        return {**usual(command, login), "done": False}

    server._saslContinue = answer  # type: ignore[method-assign]
    mongodb.set_secret(step(port))
    assert server.users["shop.app"].password == SECOND


@pytest.mark.parametrize(("name", "password"), [("", "x"), ("app", "")])
def test_an_empty_name_or_password_is_not_sent(server: Mongo, port: int, name: str, password: str) -> None:
    with pytest.raises(SecretError):
        mongodb.test_secret(complete(version(password, port, username=name), tls="disable"))
    assert server.logins == []


# Replica sets.


def members(stack: ExitStack, *servers: Mongo | None) -> str:
    """The hosts of these members; None is one that is down."""
    ports = [closed_port() if each is None else stack.enter_context(mongo.running(each)) for each in servers]
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def test_the_primary_is_found_among_members_that_are_down_or_secondaries(server: Mongo) -> None:
    secondary = Mongo(server.users, primary=False)
    with ExitStack() as stack:
        hosts = members(stack, None, secondary, server)
        given = complete(version(SECOND, 1, host=hosts), version(FIRST, 1, host=hosts), tls="disable")
        mongodb.set_secret(given)
        mongodb.test_secret(given)
    assert server.users["shop.app"].password == SECOND
    assert secondary.logins == []
    # Each step asks the others once, however often it logs in.
    assert [next(iter(each)) for each in secondary.commands] == ["isMaster"] * 2


def slow() -> dict[str, Any]:
    time.sleep(30)
    return {}


def test_a_member_that_never_answers_costs_its_share_of_the_time_once(server: Mongo) -> None:
    with ExitStack() as stack:
        hosts = members(stack, Mongo(answers={"isMaster": slow}), server)
        given = complete(version(SECOND, 1, host=hosts), version(FIRST, 1, host=hosts), tls="disable", seconds=4.0)
        began = time.monotonic()
        mongodb.set_secret(given)
        assert time.monotonic() - began < 3.5
    assert server.users["shop.app"].password == SECOND


def test_a_server_that_refuses_even_the_greeting_says_why(server: Mongo, port: int) -> None:
    server.answers["isMaster"] = refusal(59)
    with refused(ConfigurationError, "MongoDB 3.6", "59"):
        mongodb.test_secret(step(port))


def test_a_secondary_alone_is_not_changed_and_the_error_says_what_to_name(server: Mongo, port: int) -> None:
    server.primary = False
    with refused(NetworkError, f"127.0.0.1:{port}", "primary", "'host'"):
        mongodb.set_secret(step(port))
    assert server.logins == []


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("db.example.com", [("db.example.com", 27017)]),
        ("a.example.com:1, b.example.com", [("a.example.com", 1), ("b.example.com", 27017)]),
        ("[::1]:5,::1,10.0.0.1:6", [("::1", 5), ("::1", 27017), ("10.0.0.1", 6)]),
    ],
)
def test_each_host_may_have_a_port(host: str, found: list[tuple[str, int]]) -> None:
    server, _ = mongodb._named(complete(None, host=host), version("x", 27017))
    assert server.hosts == found


@pytest.mark.parametrize(
    "host", ["mongodb://a/", "mongodb+srv://a.example.com", "a:x", "a,", "a:70000", "a/b", "u:p@a"]
)
def test_what_is_no_list_of_hosts_is_refused(host: str) -> None:
    with refused(ConfigurationError, "'host'"):
        mongodb.test_secret(complete(version("x", 1, host=host)))


# What a server refuses.


@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        (13, ConfigurationError, "changeOwnPassword"),
        (11, ConfigurationError, "'auth_source'"),
        (59, ConfigurationError, "Atlas"),
        (8000, ConfigurationError, "Atlas"),
        (2, ValueRefusedError, "`password`"),
        (10107, NetworkError, "again"),
        (189, NetworkError, "again"),
        (64, NetworkError, "again"),
        (999, TargetError, "999"),
    ],
)
def test_a_refused_change_says_what_to_do_and_nothing_of_the_servers_text(
    server: Mongo, port: int, code: int, kind: type[RotationError], named: str
) -> None:
    server.answers["updateUser"] = refusal(code)
    with pytest.raises(RotationError) as raised:
        mongodb.set_secret(step(port))
    problem = raised.value if kind is NetworkError else step_problem(server, port)
    assert isinstance(problem, kind)
    assert named in str(problem)
    assert "s3cret" not in str(raised.value)
    assert server.users["shop.app"].password == FIRST


def step_problem(server: Mongo, port: int) -> RotationError:
    """As an administrator meets it, for whom no other value is tried."""
    with pytest.raises(RotationError) as raised:
        mongodb.set_secret(administered(port))
    return raised.value


@pytest.mark.parametrize("password", ["s3cret\n", "s3cret-\U0001f600"])
def test_a_change_that_fails_for_the_characters_of_the_password_says_so(
    server: Mongo, port: int, password: str
) -> None:
    """Servers have no code for it: SASLprep prohibits characters, and the text repeats the password."""
    server.answers["updateUser"] = refusal(1, text=f"cannot prepare {password}")
    with refused(ValueRefusedError, "`password`"):
        mongodb.set_secret(replace(administered(port), pending_or_none=version(password, port)))


def test_a_change_whose_answer_was_lost_is_not_made_again(server: Mongo, port: int) -> None:
    def lost() -> dict[str, Any]:
        server.users["shop.app"].password = SECOND
        raise ConnectionResetError

    server.answers["updateUser"] = lost
    mongodb.set_secret(step(port))
    mongodb.set_secret(step(port))
    assert [each for each in server.commands if "updateUser" in each] != []
    assert server.users["shop.app"].password == SECOND


def test_a_change_that_most_members_do_not_have_yet_is_one(server: Mongo, port: int) -> None:
    usual = server._updateUser
    server._updateUser = lambda *given: {  # type: ignore[method-assign]
        **usual(*given),
        "writeConcernError": refusal(64),
    }
    mongodb.set_secret(step(port))
    assert server.users["shop.app"].password == SECOND


def test_a_wrong_password_names_the_user_and_the_database(server: Mongo, port: int) -> None:
    with refused(AuthenticationError, "'app'", "'shop'"):
        mongodb.test_secret(step(port))


def test_no_more_passwords_are_tried_than_allowed(server: Mongo, port: int) -> None:
    older = [version(f"s3cret-{n}", port) for n in range(5)]
    given = replace(step(port, "s3cret-wrong", max_logins="3"), older=lambda: iter(older))
    with refused(AuthenticationError, "'max_logins'"):
        mongodb.set_secret(given)
    assert server.logins == [("app", False)] * 3


def test_a_value_that_cannot_be_sent_does_not_end_the_search(server: Mongo, port: int) -> None:
    server.users["shop.app"].password = FIRST
    older = [version("", port), version(FIRST, port)]
    mongodb.set_secret(replace(step(port, "s3cret-wrong"), older=lambda: iter(older)))
    assert server.users["shop.app"].password == SECOND


# Administrators.


@pytest.mark.parametrize(
    "about",
    [
        {"roles": [{"role": "root", "db": "admin"}]},
        {"inheritedRoles": [{"role": "userAdminAnyDatabase", "db": "admin"}]},
        {"roles": [{"role": "__system", "db": "admin"}]},
        {"roles": [{"role": "userAdmin", "db": "admin"}]},
        {"roles": [{"role": "dbOwner", "db": "admin"}]},
        {"roles": [{"role": "restore", "db": "admin"}]},
        {"inheritedPrivileges": [{"resource": {"db": "", "collection": ""}, "actions": ["find", "grantRole"]}]},
        {"inheritedPrivileges": [{"resource": {"anyResource": True}, "actions": ["anyAction"]}]},
        {"inheritedPrivileges": [{"resource": {"db": "admin", "collection": ""}, "actions": ["changePassword"]}]},
    ],
)
def test_a_superuser_is_refused_unless_it_is_allowed(server: Mongo, port: int, about: dict[str, Any]) -> None:
    server.users["shop.app"].about = about
    for run in (mongodb.set_secret, mongodb.check):
        with refused(ConfigurationError, "superusers", "'app'"):
            run(administered(port))
    assert server.users["shop.app"].password == FIRST
    mongodb.set_secret(administered(port, superusers="allow"))
    assert server.users["shop.app"].password == SECOND


@pytest.mark.parametrize(
    "about",
    [
        {"roles": [{"role": "readWrite", "db": "shop"}]},
        {"roles": [{"role": "dbOwner", "db": "shop"}]},
        {"inheritedPrivileges": [{"resource": {"db": "shop", "collection": ""}, "actions": ["changePassword"]}]},
        {"inheritedPrivileges": [{"resource": {"db": "", "collection": ""}, "actions": ["find", "changeOwnPassword"]}]},
        {"roles": None, "inheritedRoles": None, "inheritedPrivileges": None},
    ],
)
def test_another_user_is_changed_by_the_administrator(server: Mongo, port: int, about: dict[str, Any]) -> None:
    server.users["shop.app"].about = about
    mongodb.check(administered(port))
    mongodb.set_secret(administered(port))
    assert server.users["shop.app"].password == SECOND


def test_the_administrators_database_is_in_its_own_secret(server: Mongo, port: int) -> None:
    server.users["staff.admin"] = server.users.pop("admin.admin")
    mongodb.set_secret(administered(port, {"dbname": None, "authSource": "staff"}))
    assert server.users["shop.app"].password == SECOND


def test_an_administrator_whose_secret_names_no_database_is_one_of_admin(server: Mongo, port: int) -> None:
    mongodb.set_secret(administered(port, {"dbname": None}))
    assert server.users["shop.app"].password == SECOND


@pytest.mark.parametrize("run", [mongodb.set_secret, mongodb.check])
def test_an_administrator_changes_users_of_the_database_that_a_setting_names(
    server: Mongo, port: int, run: Any
) -> None:
    """Who may write the secret would else choose the database, and with it another user of an allowed name."""
    with refused(ConfigurationError, "'auth_source'"):
        run(administered(port, auth_source=""))
    server.users["other.app"] = User(FIRST)
    given = administered(port)
    moved = version(SECOND, port, dbname="other")
    mongodb.set_secret(replace(given, pending_or_none=moved, current=moved))
    assert (server.users["shop.app"].password, server.users["other.app"].password) == (SECOND, FIRST)


def test_a_user_that_does_not_exist_is_named(server: Mongo, port: int) -> None:
    del server.users["shop.app"]
    with refused(ConfigurationError, "'app'", "'shop'", "'auth_source'"):
        mongodb.check(administered(port))


def test_an_administrator_that_may_not_look_at_users_changes_none(server: Mongo, port: int) -> None:
    server.answers["usersInfo"] = refusal(13)
    with refused(ConfigurationError, "viewUser"):
        mongodb.set_secret(administered(port))
    assert server.users["shop.app"].password == FIRST


def test_a_server_that_knows_no_privileges_is_asked_for_the_roles(server: Mongo, port: int) -> None:
    usual = server._usersInfo
    server._usersInfo = lambda command, _: (  # type: ignore[method-assign]
        refusal(303) if "showPrivileges" in command else usual(command, _)
    )
    mongodb.check(administered(port))
    server.users["shop.app"].about = {"roles": [{"role": "root", "db": "admin"}]}
    with refused(ConfigurationError, "superusers"):
        mongodb.check(administered(port))


def test_a_user_that_may_not_look_at_itself_changes_its_password_all_the_same(server: Mongo, port: int) -> None:
    server.answers["usersInfo"] = refusal(13)
    mongodb.set_secret(step(port))
    assert server.users["shop.app"].password == SECOND


def test_only_users_that_are_allowed_are_changed(server: Mongo, port: int) -> None:
    with refused(ConfigurationError, "'allowed_usernames'"):
        mongodb.set_secret(administered(port, allowed_usernames="other_*"))
    mongodb.set_secret(administered(port, allowed_usernames="other_*, ap?"))
    assert server.users["shop.app"].password == SECOND


def test_the_administrator_does_not_rotate_itself_away(server: Mongo, port: int) -> None:
    server.users["shop.Admin"] = User(FIRST)
    with refused(ConfigurationError, "administrator itself"):
        mongodb.set_secret(administered(port, username="Admin"))


def test_the_administrators_password_goes_to_its_own_host_only(server: Mongo, port: int) -> None:
    with refused(IdentityMismatchError, "another host"):
        mongodb.set_secret(administered(port, {"host": "db.example.com"}))
    assert ("admin", True) not in server.logins


def test_a_wrong_administrators_password_names_its_secret(server: Mongo, port: int) -> None:
    server.users["admin.admin"].password = "other"
    with refused(AuthenticationError, "secret:admin"):
        mongodb.check(administered(port))


def test_without_an_administrator_a_check_asks_nothing(server: Mongo, port: int) -> None:
    mongodb.check(step(port))
    assert server.commands == []


# The wire.


DOCUMENT = {
    "text": "ü\0x", "number": 2**31 - 1, "negative": -1, "true": True, "false": False, "bytes": b"\0\xff",
    "list": ["a", {"b": 1}], "document": {"": {}}, "long": "x" * 70_000,
}  # fmt: skip


def test_what_is_sent_is_bson() -> None:
    assert bson.decode(mongo_client.encode(DOCUMENT)) == DOCUMENT


def test_what_is_answered_is_read() -> None:
    """Values that nobody asks for, such as times, do not disturb."""
    others = {
        "float": 1.5, "null": None, "int64": bson.Int64(2**40), "id": bson.ObjectId(), "time": bson.Timestamp(1, 2),
        "pattern": bson.Regex("a", "i"), "code": bson.Code("x"), "most": bson.MaxKey(), "least": bson.MinKey(),
        "decimal": bson.Decimal128("1"),
    }  # fmt: skip
    found = mongo_client.decode(bson.encode({**DOCUMENT, **others}))
    assert {name: found[name] for name in DOCUMENT} == DOCUMENT
    assert (found["float"], found["null"], found["int64"], found["code"]) == (1.5, None, 2**40, "x")


def nested(depth: int) -> bytes:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {"a": found}
    return bytes(bson.encode(found))


WHOLE = bson.encode({"ok": 1.0, "text": "abc", "list": [1, 2]})


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\0\0", b"\x05\0\0\0",
     b"\xff\xff\xff\x7f\0", b"\x06\0\0\0\x0f\0", b"\x0c\0\0\0\x02a\0\xff\xff\xff\xff\0",
     b"\x0e\0\0\0\x02a\0\x02\0\0\0\xff\0\0", WHOLE[:-1] + b"\x01", nested(200)],
)  # fmt: skip
def test_what_is_no_bson_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        mongo_client.decode(data)


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_document_that_ends_early_is_refused(size: int) -> None:
    with pytest.raises(MalformedError):
        mongo_client.decode(WHOLE[:size])


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x1a\0\0\0" + bytes(4) + b"\x02\0\0\0" + b"\xdd\x07\0\0" + bytes(10),  # to another request
        b"\x24\0\0\0" + bytes(4) + b"\x01\0\0\0" + b"\x01\0\0\0" + bytes(20),  # as servers before 3.6
        b"\xff\xff\xff\x7f" + bytes(4) + b"\x01\0\0\0" + b"\xdd\x07\0\0" + bytes(20),
        b"\x1a\0\0\0" + bytes(4) + b"\x01\0\0\0" + b"\xdd\x07\0\0" + b"\0\0\0\0\x01\x05\0\0\0\0",
        b"",
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_network(said: bytes) -> None:
    def talk(connection: Any, _: object) -> None:
        connection.recv(100)
        connection.sendall(said)

    with serving(talk) as port, refused(NetworkError, f"127.0.0.1:{port}", "MongoDB 3.6"):
        mongodb.test_secret(step(port))

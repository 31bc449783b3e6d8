"""The target calls against services of many shapes: pages, logins, answers and ids as their vendors document them."""

from __future__ import annotations

import json
import secrets

import pytest

from rotation_lab.model.secrets_manager import CURRENT, SecretsManager
from secret_rotation.errors import ConfigurationError, SettingError
from secret_rotation.target import Given
from secret_rotation.targets import calls
from tests.messages import refused
from tests.support.function import RotationFunction
from tests.support.key_services import OTHERS, SERVICES, Appliance, Atlas, Datadog, Elastic, Keys, Twilio
from tests.support.standin import Answered, Asked, serving


class World:
    """A service, its secret and the function."""

    def __init__(self, service: Keys) -> None:
        self.service, self.manager = service, SecretsManager()
        admin = service.admin if isinstance(service.admin, str) else json.dumps(service.admin)
        settings = {"tls": "disable", "admin_secret_arn": self.manager.create(admin, name="admin"), **service.settings}
        self.function = RotationFunction(
            self.manager,
            TARGET="calls",
            TARGET_CALLS=json.dumps(service.calls()),
            TARGET_SETTINGS=json.dumps(settings),
            SECRET_KEYS=json.dumps(service.keys),
        )
        key_id = service.first["name"] if isinstance(service, Elastic) else service.first["id"]
        first = dict(zip(service.keys, (service.first["value"], str(key_id)), strict=False))
        self.arn = self.manager.create(json.dumps(first))

    def value(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(str(self.manager.secrets[self.arn].text(CURRENT)))
        return found


@pytest.mark.parametrize("kind", SERVICES, ids=lambda kind: kind.__name__)
def test_a_service_rotates_with_overlap_and_what_was_lost_is_ended(
    kind: type[Keys], capfd: pytest.CaptureFixture[str]
) -> None:
    service = kind()
    with serving(service):
        world = World(service)
        for _ in range(2):
            before = world.value()
            world.function.rotate(world.arn)
            now = world.value()
            assert service.works(before[service.keys[0]])
            assert service.works(now[service.keys[0]])
            assert service.ours() == [before[service.keys[-1]], now[service.keys[-1]]]
        if "list" in service.calls() and kind is not Atlas:
            lost = service.issue(service.held[-1]["name"][:11] + "lost")
            world.function.rotate(world.arn)
            assert lost not in service.held
            assert len(service.ours()) == 2
        assert sum(key["name"].startswith("other") for key in service.held) == OTHERS
        printed = "".join(capfd.readouterr())
        assert [key for key in service.held if key["value"] in printed] == []
        assert "csrf-1" not in printed


def test_a_link_leads_to_no_other_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers could otherwise choose where the credential of the next request goes."""
    service, other = Elastic(), Elastic()
    asked: list[Asked] = []
    answer = service.answer

    def elsewhere(one: Asked) -> Answered:
        asked.append(one)
        made = answer(one)
        made.headers = [(name, text.replace("</", f"<{other.url}/")) for name, text in made.headers]
        return made

    monkeypatch.setattr(service, "answer", elsewhere)
    monkeypatch.setattr(other, "answer", lambda _: pytest.fail("the credential went to another host"))
    with serving(other), serving(service):
        world = World(service)
        world.function.rotate(world.arn)
    assert {one.query.get("from") for one in asked if one.method == "GET"} >= {None, "2", "4"}


def test_a_list_that_never_ends_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Elastic()
    answer = service.answer

    def endless(one: Asked) -> Answered:
        if one.method != "GET" or "credential" not in one.path:
            return answer(one)
        link = f'<?from={secrets.token_hex(4)}>; rel="next"'
        return Answered(200, {"tokens": {secrets.token_hex(4): {}}}, [("Link", link)])

    monkeypatch.setattr(service, "answer", endless)
    with serving(service):
        world = World(service)
        with refused(ConfigurationError, "calls.list", "pages"):
            world.function("createSecret", world.arn, world.manager.rotate(world.arn))


def test_a_service_that_takes_no_notice_of_the_page_is_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Datadog()
    answer, asked = service.answer, list[Asked]()

    def whole(one: Asked) -> Answered:
        if one.method != "GET" or one.path == "/validate":
            return answer(one)
        asked.append(one)
        return Answered(200, {"data": [service.shown(key) for key in service.held]})

    monkeypatch.setattr(service, "answer", whole)
    with serving(service):
        world = World(service)
        world.function("createSecret", world.arn, world.manager.rotate(world.arn))
    assert len(asked) == 2


def test_a_page_without_an_item_is_not_the_last_where_the_answer_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Twilio()
    answer, asked = service.answer, list[Asked]()

    def empty_at_first(one: Asked) -> Answered:
        if one.method != "GET" or not one.path.endswith("/Keys.json"):
            return answer(one)
        asked.append(one)
        if "Page" in one.query:
            return answer(one)
        return Answered(200, {"keys": [], "next_page_uri": f"{one.path}?PageSize=2&Page=0"})

    monkeypatch.setattr(service, "answer", empty_at_first)
    with serving(service):
        world = World(service)
        world.function("createSecret", world.arn, world.manager.rotate(world.arn))
    assert [one.query.get("Page") for one in asked] == [None, "0", "1", "2"]


def test_pages_and_items_are_counted_from_the_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Datadog()
    answer, asked = service.answer, list[Asked]()

    def counted(one: Asked) -> Answered:
        if one.method != "GET" or one.path == "/validate":
            return answer(one)
        asked.append(one)
        number = int(one.query["a"]) - 1
        return Answered(200, {"data": [service.shown(key) for key in service.held[2 * number : 2 * number + 2]]})

    monkeypatch.setattr(service, "answer", counted)
    with serving(service):
        described = service.calls()
        url = f"{service.url}/keys?a={{{{page}}}}&b={{{{page|zero}}}}&c={{{{offset}}}}"
        described["list"]["url"] = url
        monkeypatch.setattr(service, "calls", lambda: described)
        world = World(service)
        world.function("createSecret", world.arn, world.manager.rotate(world.arn))
    assert len(service.held) == OTHERS + 2  # the first key and the new one, which is not there yet
    assert [list(one.query.values()) for one in asked] == [
        ["1", "0", "0"],
        ["2", "1", "2"],
        ["3", "2", "4"],
        ["4", "3", "5"],
    ]


def test_a_session_without_what_is_asked_for_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Appliance()
    with serving(service):
        described = service.calls()
        described["list"]["headers"] = {"Cookie": "{{session.cookie.JSESSIONID}}"}
        monkeypatch.setattr(service, "calls", lambda: described)
        world = World(service)
        with refused(ConfigurationError, "calls.session", "cookie.JSESSIONID"):
            world.function("createSecret", world.arn, world.manager.rotate(world.arn))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"expires": "{{expires|epoch}}"}, None),
        ({"expires": "{{expires}}"}, "expires"),
        ({"description": "{{rotation}}"}, None),
    ],
)
def test_a_number_of_an_aws_operation_is_checked_as_one(parameters: dict[str, str], named: str | None) -> None:
    described = {
        "issue": {
            "action": "appsync:CreateApiKey",
            "parameters": {"apiId": "a0", **parameters},
            "values": {"api_key": "/apiKey/id"},
        },
        "test": {"url": "https://a0.appsync-api.eu-central-1.amazonaws.com/graphql", "auth": "bearer"},
    }
    given = Given(("api_key",), {"tls": "verify", "refused_status": "401", "lifetime_days": "30"}, "api_key", described)
    if named is None:
        calls.load(given)
    else:
        with refused(SettingError, "calls.issue.parameters", named):
            calls.load(given)

"""Every rule of the variables, by the message that a user reads: what is wrong, and what is allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from secret_rotation import catalogue
from tests.settings_cases import KEY, LAYER, SECRET
from tests.terraform import plans
from tests.terraform.plans import Refusal

BASE = {"name": "app", "secrets": {"app": SECRET}}
LAYERS = {"layers": [LAYER]}
NETWORK = {"subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}
STATEMENT = {"actions": ["s3:GetObject"], "resources": ["*"]}


@dataclass(frozen=True)
class Rejected:
    """A call that one rule rejects; the message holds ``names`` (what is wrong) and ``allowed`` (what to do)."""

    rule: str
    names: str
    allowed: str
    call: dict[str, Any]


def rejected(rule: str, names: str, allowed: str, **call: Any) -> Rejected:
    """A case; the call has a name and a secret, if it does not say otherwise."""
    return Rejected(rule, names, allowed, BASE | call)


def generator(**of: Any) -> dict[str, Any]:
    """The generators of a plain-text secret."""
    return {"": of}


NAME_AND_SECRETS = [
    rejected("the name has no slash", 'name is "app/rotation"', "hyphens and underscores", name="app/rotation"),
    rejected("the name has at most 64 characters", 'name is "aaa', "1 to 64", name="a" * 65),
    rejected("a secret is an ARN", 'secrets["app"] = "app"', "arn:<partition>:secretsmanager", secrets={"app": "app"}),
    rejected(
        "a secret is the ARN of a secret",
        'secrets["app"] = "arn:aws:ssm',
        "arn:<partition>:secretsmanager",
        secrets={"app": "arn:aws:ssm:eu-central-1:123456789012:parameter/app"},
    ),
    *(
        rejected(
            f"a secret's ARN does not end in {end}",
            f'secrets["app"] = "{SECRET[:-7]}{end}"',
            "full ARN",
            secrets={"app": SECRET[:-7] + end},
        )
        for end in ("", "-AbCdE", "-AbCdEf:password::", "-AbCdEf:::v1", "-*", "*")
    ),
    rejected("a secret is there once", 'secrets["a"], secrets["b"]', "once", secrets={"a": SECRET, "b": SECRET}),
]

KEYS = [
    rejected("keys is not empty", "keys is empty", "plain-text", keys=[]),
    rejected("all is overwritten only without keys", "overwrite_json", "keys = null", keys=["a"], overwrite_json=True),
    rejected("a key has a name", "keys has an empty entry", "name of a key", keys=["password", ""]),
    rejected("a key is there once", '["password","password"]', "once", keys=["password", "password"]),
    rejected("a pointer has its escapes", 'pointers: "/a~2", "/b~"', "as ~0", keys=["/a~2", "/b~", "c~2"]),
    rejected("a value has one name", '"/a" and "a"', "a value of its own", keys=["a", "/a"]),
    rejected("a pointer leads into no other", '"/a" and "/a/0/b"', "a value of its own", keys=["/a/0/b", "/a"]),
    rejected("a pointer leads into no key", '"a" and "/a/b"', "a value of its own", keys=["/a/b", "b", "a"]),
]

PASSWORDS = [
    rejected(
        "a password has a character",
        "password.length is 0",
        "from 1 to 4096",
        password={"length": 0, "require_each_included_type": False},
    ),
    rejected("a password has at most 4096", "password.length is 4097", "from 1 to 4096", password={"length": 4097}),
    rejected("a length is a whole number", "password.length is 32.5", "whole numbers", password={"length": 32.5}),
    rejected(
        "a class is one of five",
        "emoji",
        "lowercase, numbers, punctuation, space, uppercase",
        password={"classes": ["lowercase", "emoji"]},
    ),
    rejected("a password needs a class", "password.classes is []", "at least one of", password={"classes": []}),
    rejected("spaces are not enough", '["space"]', "at least one of", password={"classes": ["space"]}),
    rejected("a character of each class fits in", "password.length is 3", "4 classes", password={"length": 3}),
    rejected(
        "a class that is required has characters left",
        "exclude_characters leaves none of numbers",
        "exclude fewer",
        exclude_characters="0123456789",
        password={},
    ),
    rejected(
        "some characters are left",
        "exclude_characters leaves no character of numbers",
        "more classes",
        exclude_characters="0123456789",
        password={"classes": ["numbers", "space"], "require_each_included_type": False},
    ),
]

GENERATORS = [
    rejected(
        "a generator is for a key that rotates",
        '["token"]',
        'Allowed: ["password"]',
        keys=["password"],
        generators={"token": {"type": "hex"}},
    ),
    rejected(
        "a generator of plain text has no key",
        '["password"]',
        "keys is null",
        generators={"password": {"type": "hex"}},
    ),
    rejected(
        "a generator is known",
        'generators[""].type = "md5"',
        ", ".join(sorted(catalogue.generators())),
        generators=generator(type="md5"),
    ),
    rejected("a generator has a type", 'generators[""].type = null', "hex", generators=generator(bytes=16)),
    rejected(
        "a generator's setting is known",
        'generators[""].byts',
        "allowed for hex: bytes",
        generators=generator(type="hex", byts=16),
    ),
    rejected(
        "a generator has what it needs", 'generators[""].kms_key_arn', "KMS key", generators=generator(type="rsa")
    ),
    rejected(
        "a generator's setting is allowed",
        'generators[""].bytes = "4097"',
        "allowed: whole numbers from 1 to 4096",
        generators=generator(type="base64", bytes=4097),
    ),
    rejected(
        "a generator's setting is one of a list",
        'generators[""].bits = "1024"',
        "allowed: 2048, 3072, 4096",
        generators=generator(type="rsa", bits=1024, kms_key_arn=KEY),
    ),
    rejected(
        "the public key of a pair has a key",
        'generators["key"].public_key',
        "Name the key",
        keys=["key"],
        generators={"key": {"type": "rsa", "kms_key_arn": KEY}},
    ),
    rejected(
        "the public key does not overwrite the private one",
        'generators["key"].public_key = "key"',
        "key of its own",
        keys=["key"],
        generators={"key": {"type": "rsa", "kms_key_arn": KEY, "public_key": "key"}},
    ),
    rejected(
        "two public keys do not share a key",
        'generators["a"].public_key = "public", generators["b"].public_key = "public"',
        "named by another generator",
        keys=["a", "b"],
        generators={
            "a": {"type": "rsa", "kms_key_arn": KEY, "public_key": "public"},
            "b": {"type": "ec", "kms_key_arn": KEY, "public_key": "public"},
        },
    ),
    rejected(
        "a public key is no part of another value",
        'generators["/tls/key"].public_key = "tls"',
        "key of its own",
        keys=["/tls/key"],
        generators={"/tls/key": {"type": "rsa", "kms_key_arn": KEY, "public_key": "tls"}},
    ),
    rejected(
        "a public key's pointer has its escapes",
        'generators["key"].public_key = "/a~b"',
        "as ~0",
        keys=["key"],
        generators={"key": {"type": "rsa", "kms_key_arn": KEY, "public_key": "/a~b"}},
    ),
    rejected(
        "plain text has no public key",
        'generators[""]',
        "set keys",
        generators=generator(type="ec", kms_key_arn=KEY, public_key="public"),
    ),
]

TEMPLATES = [
    rejected(
        "a template is for JSON",
        'generators["URL"]',
        "Set keys",
        generators={"URL": {"type": "template", "template": "x{{a}}"}},
    ),
    rejected(
        "a template's key is none of keys",
        '"/url"',
        "remove these there",
        keys=["password", "/url"],
        generators={"/url": {"type": "template", "template": "x{{password}}"}},
    ),
    rejected(
        "a template is no part of another value",
        'template for "/url/inner"',
        "key of its own",
        keys=["password", "url"],
        generators={"/url/inner": {"type": "template", "template": "x{{password}}"}},
    ),
    rejected(
        "a template's key and placeholders are pointers",
        '"/url~", "/data~2base"',
        "as ~0",
        keys=["password"],
        generators={"/url~": {"type": "template", "template": "x{{password}}{{ /data~2base |url}}"}},
    ),
    rejected(
        "a template uses no other template",
        'generators["B"].template has {{/A}}',
        "from which that value is made",
        keys=["password"],
        generators={
            "A": {"type": "template", "template": "x{{password}}"},
            "B": {"type": "template", "template": "x{{ /A | url}}"},
        },
    ),
    rejected(
        "a template does not use itself",
        'generators["A"].template has {{A}}',
        "from which that value is made",
        keys=["password"],
        generators={"A": {"type": "template", "template": "x{{A}}"}},
    ),
    rejected(
        "a template uses nothing around another template",
        'generators["B"].template has {{nested}}',
        "from which that value is made",
        keys=["password"],
        generators={
            "/nested/A": {"type": "template", "template": "x{{password}}"},
            "B": {"type": "template", "template": "x{{nested|json}}"},
        },
    ),
]

MONITORING = [
    rejected("alarms notify somebody", "alarms.alarm_actions is empty", "SNS topic", alarms={"alarm_actions": []}),
    *(
        rejected(
            f"a look at the secrets is not every {hours} hours",
            f"alarms.interval_hours is {hours}",
            "from 1 to 24",
            alarms={"alarm_actions": ["arn:aws:sns:eu-central-1:123456789012:alarms"], "interval_hours": hours},
        )
        for hours in (0, 25, 1.5)
    ),
]

SPREAD = [
    rejected(
        "hours to spread over need a place in the expression",
        'schedule.expression is "cron(0 8 * * ? *)" and schedule.spread_hours is [1]',
        "set both",
        schedule={"expression": "cron(0 8 * * ? *)", "spread_hours": [1]},
    ),
    rejected(
        "a place for an hour needs hours",
        "schedule.spread_hours is null",
        "set both",
        schedule={"expression": "cron(0 {hour} * * ? *)"},
    ),
    *(
        rejected(
            f"hours to spread over are not {hours}",
            "schedule.spread_hours is [",
            "from 0 to 23",
            schedule={"expression": "cron(0 {hour} * * ? *)", "spread_hours": hours},
        )
        for hours in ([], [24], [1.5])
    ),
]

SCHEDULES = [
    *SPREAD,
    rejected(
        "rotate_immediately is no attribute of a schedule",
        "schedule.rotate_immediately",
        "rotate_immediately = false beside schedule",
        schedule={"days": 30, "rotate_immediately": False},
    ),
    rejected("a schedule has days or an expression", "neither days nor expression", "{ days = 30 }", schedule={}),
    rejected(
        "a schedule has not both",
        "days and expression",
        "only one",
        schedule={"days": 30, "expression": "rate(30 days)"},
    ),
    *(
        rejected(
            f"an expression is not {text}",
            f'schedule.expression is "{text}"',
            "rate(<number> hours), rate(<number> days) and cron(<minutes> <hours>",
            schedule={"expression": text},
        )
        for text in ("every day", "rate(1 week)", "rate(days)", "cron(0 8 1 * ?)", "0 8 1 * ? *")
    ),
]

TARGETS = [
    rejected(
        "requests are described by an object",
        "target.calls must be an object",
        "{ set = {...}, test = {...} }",
        target={"type": "calls", "calls": "https://example.com"},
    ),
    rejected("a target is known", 'target.type is "oracle7"', "mysql", target={"type": "oracle7"}),
    rejected(
        "a setting is known to its target",
        "target none has no target.settings named host",
        "Allowed: none",
        target={"type": "none", "settings": {"host": "localhost"}},
    ),
    rejected(
        "a setting is not null",
        "null: url",
        "Leave them out",
        target={"type": "python", "file": "my_target.py", "settings": {"url": None}},
    ),
    rejected(
        "a required setting is there",
        "target http needs target.settings: test_url",
        "(",
        target={"type": "http", "settings": {"set_url": "https://example.com"}},
    ),
    rejected(
        "a target inside a VPC has a network",
        "target redis is reached inside a VPC",
        "network = {",
        target={"type": "redis"},
        function=LAYERS,
    ),
    rejected(
        "a driver comes in a layer or a package",
        "target postgresql needs the driver pg8000",
        "make layer",
        target={"type": "postgresql"},
        network=NETWORK,
    ),
    rejected(
        "a setting has a value that its target allows",
        'port = "0"',
        "allowed: whole numbers from 1 to 65535",
        target={"type": "redis", "settings": {"port": 0}},
        network=NETWORK,
        function=LAYERS,
    ),
    rejected(
        "a setting is one of a list",
        'tls = "off"',
        "allowed: verify, disable",
        target={"type": "redis", "settings": {"tls": "off"}},
        network=NETWORK,
        function=LAYERS,
    ),
    rejected("python has a file", "target python needs target.file", "my_target.py", target={"type": "python"}),
    rejected("only python has a file", "target.type is none", 'type = "python"', target={"file": "my_target.py"}),
    rejected(
        "the file is Python",
        'target.file is "package.zip"',
        "ends in .py",
        target={"type": "python", "file": "package.zip"},
    ),
    rejected(
        "a file is not added to a package",
        "target.file cannot be added to a package",
        "custom_target.py",
        target={"type": "python", "file": "my_target.py"},
        package={"path": "package.zip"},
    ),
]

FUNCTION = [
    rejected(
        "a runtime is known",
        'function.runtime is "python3.10"',
        "python3.11 and later",
        function={"runtime": "python3.10"},
    ),
    rejected(
        "an architecture is known",
        'function.architecture is "riscv"',
        "arm64, x86_64",
        function={"architecture": "riscv"},
    ),
    *(
        rejected(
            f"memory is not {size}",
            f"function.memory_size is {size}",
            "from 128 to 10240",
            function={"memory_size": size},
        )
        for size in (64, 10241, 256.5)
    ),
    *(
        rejected(
            f"a timeout is not {seconds}",
            f"function.timeout is {seconds}",
            "from 1 to 900",
            function={"timeout": seconds},
        )
        for seconds in (0, 901, 1.5)
    ),
    *(
        rejected(
            f"the caller does not set {name}",
            f"function.environment has {name}",
            "module's variable",
            function={"environment": {"HTTPS_PROXY": "http://proxy:3128", name: "x"}},
        )
        for name in ("TARGET", "TARGET_SETTINGS", "EXCLUDE_CHARACTERS", "SECRET_KEYS")
    ),
    *(
        rejected(
            f"Lambda sets {name}",
            "that Lambda sets itself",
            f"Remove {name}",
            function={"environment": {name: "x"}},
        )
        for name in ("AWS_REGION", "AWS_LAMBDA_RUNTIME_API", "AWS_SECRET_ACCESS_KEY", "LAMBDA_TASK_ROOT")
    ),
    *(
        rejected(
            f"a variable is not {name!r}",
            "function.environment has",
            "starts with a letter",
            function={"environment": {name: "x"}},
        )
        for name in ("", "A", "1A", "A-B", "_HANDLER")
    ),
    rejected("a tracing mode is known", 'function.tracing is "on"', "PassThrough, Active", function={"tracing": "on"}),
    *(
        rejected(
            f"a reserved concurrency is not {number}",
            f"function.reserved_concurrency is {number}",
            "whole numbers from 10",
            function={"reserved_concurrency": number},
        )
        for number in (0, 9, 10.5)
    ),
    rejected(
        "a network has security groups", "network has no security_group_ids", "null", network={"subnet_ids": ["s"]}
    ),
    rejected("a network has subnets", "network has no subnet_ids", "null", network={"security_group_ids": ["sg-1"]}),
    rejected(
        "a session is no principal of the policy for secrets",
        "secret_policy",
        "arn:aws:iam::123456789012:role/app",
        secret_policy={"readers": ["arn:aws:sts::123456789012:assumed-role/app/session"]},
    ),
    rejected("anybody is no writer", "roles and users", ": *", secret_policy={"writers": ["*"]}),
    rejected("a KMS key is no alias", '"alias/app"', "arn:<partition>:kms", kms_key_arns=["alias/app"]),
    rejected("a package has a path or an object", "neither path nor s3", "package = null", package={}),
    rejected(
        "a package has not both",
        "package has path and s3",
        "Give one",
        package={"path": "package.zip", "s3": {"bucket": "b", "key": "k"}},
    ),
    *(
        rejected(f"an endpoint is a URL not {url}", f'endpoint_url is "{url}"', "https://", endpoint_url=url)
        for url in ("vpce-1.amazonaws.com", "https://user@vpce", "https://vpce?a=b", "https://vpce:port", "ftp://vpce")
    ),
]

ROLE = [
    rejected("a role is an ARN", 'role.arn is "app"', "arn:<partition>:iam", role={"arn": "app"}),
    rejected(
        "a role that exists has its name and path",
        "role.arn is set",
        "Remove them",
        role={"arn": "arn:aws:iam::123456789012:role/app", "path": "/rotation/"},
    ),
    rejected(
        "further secrets are ARNs of secrets",
        'role.secret_arns has "team/*"',
        "patterns such as arn:",
        role={"secret_arns": ["team/*", SECRET]},
    ),
    rejected("a role's name has at most 64 characters", 'role.name is "aaa', "1 to 64", role={"name": "a" * 65}),
    rejected("a role's path is between slashes", 'role.path is "rotation"', "/rotation/", role={"path": "rotation"}),
    rejected(
        "a statement's name is a sid",
        '"read it"',
        "letters and digits",
        role={"statements": {"read it": STATEMENT}},
    ),
    rejected(
        "an effect is one of two",
        'role.statements.ReadIt.effect = "Maybe"',
        "Allow, Deny",
        role={"statements": {"ReadIt": STATEMENT | {"effect": "Maybe"}}},
    ),
    rejected(
        "a statement has actions",
        "role.statements.ReadIt",
        "needs actions",
        role={"statements": {"ReadIt": STATEMENT | {"actions": []}}},
    ),
    rejected(
        "a statement has resources",
        "role.statements.ReadIt",
        "and resources",
        role={"statements": {"ReadIt": STATEMENT | {"resources": []}}},
    ),
]

REJECTED = [
    *NAME_AND_SECRETS, *KEYS, *PASSWORDS, *GENERATORS, *TEMPLATES, *SCHEDULES, *TARGETS, *FUNCTION, *ROLE, *MONITORING,
]  # fmt: skip

ACCEPTED: dict[str, dict[str, Any]] = {
    "a plain call": {},
    "pointers": {
        "keys": [
            "/database/password",
            "/users/0/password",
            "/users/10/password",
            "/~1~0a",
            "a",
            "ab",
            "/abc/d~1e",
            "/",
        ],
        "generators": {"/database/password": {"type": "rsa", "kms_key_arn": KEY, "public_key": "/database/public"}},
    },
    "a runtime of next year": {"function": {"runtime": "python3.16"}},
    "a role that exists": {"role": {"arn": "arn:aws:iam::123456789012:role/team/rotation"}},
    "no secrets": {"secrets": {}},
    "no character is excluded": {"exclude_characters": ""},
    "1000 days, the most of Secrets Manager": {"schedule": {"days": 1000}},
    "the first cron of AWS's own examples": {"schedule": {"expression": "cron(0 /8 * * ? *)"}},
    "a cron with lists, names and a week": {"schedule": {"expression": "cron(0 0,4,20-23/4 ? JAN-DEC MON#1 *)"}},
    "a fleet over three hours, from Monday to Thursday": {
        "schedule": {"expression": "cron(0 {hour} ? * MON-THU *)", "spread_hours": [1, 2, 3]}
    },
    "alarms": {"alarms": {"alarm_actions": ["arn:aws:sns:eu-central-1:123456789012:alarms"]}},
    "what AWS alone can refuse": {"schedule": {"expression": "cron(5 8 32 * MON 2030)", "duration": "90m"}},
    "an access key": {
        "keys": ["access_key_id", "secret_access_key"],
        "target": {"type": "iam_access_key", "settings": {"user_arn": "arn:aws:iam::123456789012:user/app"}},
    },
    "a driver in a package": {
        "target": {"type": "redis"},
        "network": NETWORK,
        "package": {"s3": {"bucket": "b", "key": "k"}},
    },
    "an own target in a package": {"target": {"type": "python"}, "package": {"s3": {"bucket": "b", "key": "k"}}},
    "no verification": {"verify": None},
    "a short verification": {"verify": {"wait": 0}},
    "a pause": {"enable_rotation": False},
    "the largest function": {"function": {"memory_size": 10240, "timeout": 900, "reserved_concurrency": 10}},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Refusal]]:
    """What one plan says about all calls above, by ``called``."""
    folder = tmp_path_factory.mktemp("variables")
    module, root = plans.module_of_variables(folder / "module"), folder / "root"
    root.mkdir()
    for name in ("my_target.py", "package.zip"):
        (root / name).touch()
    calls = {called(case.rule): case.call for case in REJECTED}
    calls |= {called(name): BASE | call for name, call in ACCEPTED.items()}
    assert len(calls) == len(REJECTED) + len(ACCEPTED), "two cases have one name"
    return plans.refusals(calls, module, root, plans.alone())


def called(name: str) -> str:
    """A case's name in the configuration."""
    return "c_" + "".join(letter if letter.isalnum() else "_" for letter in name)


@pytest.mark.parametrize("case", REJECTED, ids=[case.rule for case in REJECTED])
def test_the_message_says_what_is_wrong_and_what_is_allowed(case: Rejected, found: dict[str, list[Refusal]]) -> None:
    texts = [refusal.text for refusal in found.get(called(case.rule), [])]
    assert len(texts) == 1, texts
    assert case.names in texts[0]
    assert case.allowed in texts[0]


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_good_call_is_accepted(name: str, found: dict[str, list[Refusal]]) -> None:
    assert found.get(called(name), []) == []


def test_every_rule_has_a_case(found: dict[str, list[Refusal]]) -> None:
    tried = {refusal.rule for refusals in found.values() for refusal in refusals}
    written = plans.rules("validation", [plans.ROOT / name for name in plans.VARIABLES])
    assert written == tried


def test_every_variable_is_in_the_files_that_are_tested_here() -> None:
    elsewhere = [path.name for path in plans.ROOT.glob("*.tf") if path.name not in plans.VARIABLES]
    assert not [name for name in elsewhere if '\nvariable "' in (plans.ROOT / name).read_text()]

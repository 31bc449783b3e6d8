"""Settings of targets and of generators, good and bad: one table for the plan and for the function.

``tests/terraform/test_variables.py`` plans each, ``tests/unit/test_catalogue.py`` gives each to the function: neither
can accept what the other rejects.
"""

from __future__ import annotations

from dataclasses import dataclass

from secret_rotation import catalogue

ACCOUNT = "123456789012"
SECRET = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:app-AbCdEf"
ADMIN = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:admin-AbCdEf"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LAYER = f"arn:aws:lambda:eu-central-1:{ACCOUNT}:layer:drivers:1"

_NEEDED: dict[str, dict[str, str]] = {
    "http": {"set_url": "https://api.example.com/password", "test_url": "https://api.example.com/me"},
    "iam_access_key": {"user_arn": f"arn:aws:iam::{ACCOUNT}:user/app"},
    "rds_data": {
        "cluster_arn": f"arn:aws:rds:eu-central-1:{ACCOUNT}:cluster:app",
        "engine": "postgresql",
        "admin_secret_arn": ADMIN,
        "probe_secret_arn": ADMIN.replace("admin", "probe"),
    },
}
REQUIRED = {kind: _NEEDED.get(kind, {}) for kind, about in catalogue.targets().items() if about["settings"] is not None}
"""What each target cannot do without."""


@dataclass(frozen=True)
class Setting:
    """One setting of a target. ``allowed`` is in the message when it is rejected; empty when it is accepted."""

    target: str
    name: str
    value: str
    allowed: str = ""

    def __str__(self) -> str:
        return f"{self.target}-{self.name}-{self.value[:40]!r}"

    @property
    def settings(self) -> dict[str, str]:
        """With what the target requires."""
        return {**REQUIRED[self.target], self.name: self.value}


def _each(target: str, name: str, allowed: str, *values: str) -> list[Setting]:
    return [Setting(target, name, value, allowed) for value in values]


PORTS, SECRETS, URLS = "from 1 to 65535", ":secretsmanager:", "https://api.example.com/me"
REJECTED = [
    *_each("postgresql", "strategy", "single, alternating", "both", "Single", "", "single\n"),
    *_each("postgresql", "superusers", "reject, allow", "true", "", "Allow"),
    *_each("mysql", "strategy", "single, dual, alternating", "multi"),
    *_each("postgresql", "tls", "verify, disable", "off", "", "prefer"),
    *_each("redis", "tls", "verify, disable", "false"),
    *_each("http", "tls", "verify, disable", "no"),
    *_each("redis", "port", PORTS, "0", "65536", "-1", "1e3", "06379", "6379 ", "٣", "", "9999999999"),
    *_each("mysql", "port", PORTS, "mysql"),
    *_each("postgresql", "port", PORTS, "5432.0"),
    *_each(
        "postgresql", "host", "a host name or an IP address",
        "https://db.example.com", "a b", "", "app@db", "db.example.com:5432", "a..b", ".example.com", "a" * 64,
    ),
    *_each("postgresql", "tls_ca", "certificates in PEM", "-----BEGIN CERTIFICATE-----", "-----BEGIN KEY-----\nM", ""),
    *_each("redis", "max_logins", "from 1 to 100", "0", "101", "", "many"),
    *_each("redis", "allowed_usernames", "separated by commas", "", "app,", ",app", "a,,b", " "),
    *_each("rds_data", "superusers", "reject, allow", "yes"),
    *_each("redis", "persist", "acl-save, config-rewrite, none", "rdb", "yes"),
    *_each("ldap", "directory", "openldap, active_directory", "ad", "OpenLDAP", ""),
    *_each("ldap", "start_tls", "false, true", "yes", "True"),
    *_each("ldap", "user_base", "a distinguished name", "", "services", "=services"),
    *_each(
        "mongodb", "host", "a host name or an IP address, or several",
        "mongodb://db.example.com", "a b", "", "app@db", "a,", ",a", "a,,b", "db.example.com:port", "a..b", "a:123456",
    ),
    *_each("mongodb", "port", PORTS, "0", "mongodb"),
    *_each("mongodb", "auth_source", "the name of a database", "", "$external", "a.b", "a b", "a" * 64),
    *_each("mongodb", "superusers", "reject, allow", "root"),
    *_each("redis", "superusers", "reject, allow", "yes"),
    *_each(
        "redis", "admin_secret_arn", SECRETS,
        "admin", "arn:aws:ssm:eu-central-1:123456789012:parameter/a", f"{ADMIN}*",
    ),
    *_each(
        "http", "set_url", URLS,
        "api.example.com", "ftp://api.example.com", "https://{{pending.host}}/me", "https://", "https://a.b/x y",
        "https://a.b/bücher", "https://a.b:0/", "https://a.b:65536/", "https://a..b/", "https://a.b:port/",
        "HTTPS://a.b/", "https://::1/", "https://a.b/{{login.a#b}}",
    ),
    *_each("http", "test_url", URLS, "https://app@api.example.com/", "https://api.example.com/#me"),
    *_each("http", "set_auth", "none, basic, bearer, sigv4", "digest", "Basic"),
    *_each("http", "test_auth", "none, basic, bearer, sigv4", "oauth"),
    *_each("http", "set_method", "PUT", "put", "P UT", "", "PUT /x HTTP/1.1"),
    *_each("http", "test_method", "GET", "G3T"),
    *_each("http", "set_status", "200-299", "2xx", "200,", "600", "200;204", ""),
    *_each("http", "test_status", "200-299", "200-", "20"),
    *_each("http", "auth_token", "printable ASCII", "Ā", "a\nb"),
    *_each("http", "sigv4_service", "execute-api", "Execute API"),
    *_each("http", "sigv4_region", "eu-west-1", "eu_west"),
    *_each(
        "iam_access_key", "user_arn", ":user/<name>",
        "app", "arn:aws:iam::123456789012:role/app", "arn:aws:iam::1:user/app",
        f"arn:aws:iam::{ACCOUNT}:user/",
    ),
    *_each("calls", "lifetime_days", "from 1 to 3650", "0", "3651", "90 days"),
    *_each("rds_data", "cluster_arn", ":cluster:", "app", f"arn:aws:rds:eu-central-1:{ACCOUNT}:db:app"),
    *_each("rds_data", "engine", "postgresql, mysql", "oracle"),
    *_each("rds_data", "admin_secret_arn", SECRETS, "admin"),
    *_each("rds_data", "probe_secret_arn", SECRETS, "probe"),
]  # fmt: skip
ACCEPTED = [
    *_each("postgresql", "strategy", "", "single"),
    *_each("postgresql", "superusers", "", "reject", "allow"),
    *_each("postgresql", "tls", "", "verify", "disable"),
    *_each("redis", "port", "", "1", "6379", "65535"),
    *_each("mysql", "host", "", "db.example.com", "10.0.0.5", "fe80::1", "bücher.example", "::ffff:10.0.0.5", "db."),
    *_each("mysql", "user_host", "", "%", "10.0.0.%"),
    *_each("postgresql", "tls_ca", "", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "/opt/ca.pem"),
    *_each("mysql", "max_logins", "", "1", "100"),
    *_each("postgresql", "allowed_usernames", "", "app", "app_*, other user ,x"),
    *_each("redis", "persist", "", "acl-save", "config-rewrite", "none"),
    *_each("ldap", "user_base", "", "ou=services,dc=example,dc=com", "OU = Müller, dc=com", "2.5.4.11=x"),
    *_each("mongodb", "host", "", "db.example.com", "a:1, b.example.com,10.0.0.5", "[::1]:27017", "fe80::1", "db."),
    *_each("mongodb", "auth_source", "", "admin", "shop-2", "bücher"),
    *_each("redis", "admin_secret_arn", "", ADMIN, ADMIN.replace("arn:aws:", "arn:aws-us-gov:")),
    *_each(
        "http", "set_url", "",
        "https://localhost:65535", "https://[::1]:8443/a?b={{pending}}", "https://a.b/{{login.user name}}",
        "https://a_b.c?d=%20{{pending.key}}{{ login }}",
    ),
    *_each("http", "set_auth", "", "none", "basic", "bearer", "sigv4"),
    *_each("http", "auth_password", "", ""),
    *_each("http", "set_method", "", "POST"),
    *_each("http", "set_status", "", "204", "200,204", "200-204, 404"),
    *_each("iam_access_key", "user_arn", "", f"arn:aws-cn:iam::{ACCOUNT}:user/team/app@example.com"),
    *_each("rds_data", "engine", "", "mysql"),
]  # fmt: skip


@dataclass(frozen=True)
class Together:
    """Settings that exclude each other, or that ``keys`` excludes. When rejected, the message holds ``names``."""

    target: str
    settings: dict[str, str]
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = ("password",)

    def __str__(self) -> str:
        return f"{self.target}-{self.keys}-{self.settings}"

    @property
    def complete(self) -> dict[str, str]:
        """With what the target requires."""
        return {**REQUIRED[self.target], **self.settings}


def _http(*names: str, keys: tuple[str, ...] | None = ("password",), **settings: str) -> Together:
    return Together("http", settings, names, keys)


PLAIN, JSON = "http://api.example.com/me", '{"password": "{{pending}}"}'
ALTERNATING = {"strategy": "alternating", "admin_secret_arn": ADMIN, "allowed_usernames": "app_*"}
REJECTED_TOGETHER = [
    Together("postgresql", {"strategy": "alternating"}, ("admin_secret_arn", "alternating")),
    Together("mysql", {"strategy": "alternating"}, ("admin_secret_arn", "alternating")),
    Together("postgresql", {**ALTERNATING, "username": "app"}, ("username", "alternating")),
    Together("mysql", {**ALTERNATING, "username": "app"}, ("username", "alternating")),
    Together("postgresql", {"host": "db"}, ("username", "plain-text"), None),
    Together("mysql", {"username": "app"}, ("host", "plain-text"), None),
    Together("redis", {}, ("host", "plain-text"), None),
    Together("rds_data", {}, ("username", "plain-text"), None),
    _http("set_url", "https", "disable", set_url=PLAIN),
    _http("test_url", "https", "disable", test_url=PLAIN, tls="verify"),
    _http("{{password}}", "{{pending.KEY}}", set_body='{"a": "{{password}}"}'),
    _http("{{pending password}}", "{{pending.KEY}}", test_url="https://a.b/{{pending password}}"),
    _http("{{previous}}", "{{pending.KEY}}", set_headers='{"X-Old": "{{previous}}"}'),
    _http("{{Login.user}}", "{{pending.KEY}}", set_auth="basic", auth_username="{{Login.user}}"),
    _http("{{token}}", "{{pending.KEY}}", test_auth="bearer", auth_token="{{token}}"),
    *(
        _http("set_headers", "JSON object", set_headers=text)
        for text in ("X-A: b", "[]", '{"a": 1}', '{"a": null}', '{"a": {}}', "", "{'a': 'b'}")
    ),
    _http("set_headers", "Content-Length", set_headers='{"Content-Length": "5"}'),
    _http("test_headers", "X A", test_headers='{"X A": "b"}'),
    _http("test_headers", "X-A", test_headers='{"X-A": "a\\nb"}'),
    *(
        _http("set_body", "not JSON", set_body=text)
        for text in ("{{pending}}", "{'a': 1}", '{"a": {{pending}}}', "a=b")
    ),
    _http("test_body", "not JSON", test_body='{"a": 1,}', test_headers='{"content-type": "application/vnd.a+json"}'),
    _http("set_body", "application/json", set_body="<a/>", set_headers='{"Content-Type": "text/xml"}'),
    _http("password_key", set_body=JSON, keys=("token", "secret")),
    _http("password_key", test_auth="bearer", keys=("token", "secret")),
    _http("{{pending.password}}", set_url="https://a.b/{{pending.password}}", keys=None),
    _http("{{login.username}}", test_auth="basic", admin_secret_arn=ADMIN, keys=None),
]
ACCEPTED_TOGETHER = [
    Together("postgresql", ALTERNATING),
    Together("mysql", {"host": "db", "username": "app"}, keys=None),
    Together("redis", {"host": "cache"}, keys=None),
    Together("rds_data", {"username": "app"}, keys=None),
    _http(set_url=PLAIN, test_url=PLAIN, tls="disable"),
    _http(set_body=JSON, set_headers='{"Content-Type": "application/json; charset=utf-8", "X-A": "{{current.a b}}"}'),
    _http(set_body="a={{pending}}", set_headers='{"content-type": "application/x-www-form-urlencoded"}'),
    _http(set_body="{{pending}}", set_headers='{"CONTENT-TYPE": "text/plain;charset=x"}'),
    _http(set_body='["{{ pending.password }}", 1, null]'),
    _http(auth_token="{{token}}"),
    _http(
        set_body='{"a": "{{pending.token}}"}',
        test_auth="bearer",
        auth_token="{{login.secret}}",
        keys=("token", "secret"),
    ),
    _http(set_body=JSON, password_key="secret", keys=("token", "secret")),
    _http(set_body=JSON, set_auth="basic", admin_secret_arn=ADMIN, keys=None),
    _http(set_body=JSON, test_auth="basic", auth_username="app", keys=None),
]


@dataclass(frozen=True)
class Generated:
    """An entry of generators for the key ``private``. Rejected: the message holds ``setting`` and ``allowed``."""

    entry: dict[str, object]
    setting: str = ""
    allowed: str = ""

    def __str__(self) -> str:
        return "-".join(f"{name}={str(value)[:20]}" for name, value in self.entry.items())


PAIR: dict[str, object] = {"kms_key_arn": KEY, "public_key": "public"}
BYTES = "from 1 to 4096"
REJECTED_GENERATORS = [
    Generated({"type": "md5"}, "type", "hex"),
    Generated({"type": "Hex"}, "type", "hex"),
    Generated({"type": "uuid", "bytes": 16}, "bytes", "none"),
    Generated({"type": "password", "length": 5}, "length", "none"),
    Generated({"type": "hex", "byts": 16}, "byts", "bytes"),
    *(Generated({"type": "hex", "bytes": size}, "bytes", BYTES) for size in (0, 4097, -1, "many", "")),
    Generated({"type": "base64", "bytes": 5000}, "bytes", BYTES),
    Generated({"type": "hex", "bits": 2048}, "bits", "bytes"),
    Generated({"type": "rsa", **PAIR, "bits": 1024}, "bits", "2048, 3072, 4096"),
    Generated({"type": "rsa", **PAIR, "curve": "P-256"}, "curve", "bits"),
    Generated({"type": "ec", **PAIR, "curve": "P-192"}, "curve", "P-256, P-384, P-521, secp256k1"),
    Generated({"type": "rsa", "public_key": "public"}, "kms_key_arn", "KMS key"),
    Generated({"type": "rsa", **PAIR, "kms_key_arn": "alias/app"}, "kms_key_arn", ":key/"),
    Generated({"type": "ec", "kms_key_arn": KEY}, "public_key", "Name the key"),
    Generated({"type": "ec", **PAIR, "public_key": ""}, "public_key", "Name the key"),
    Generated({"type": "ec", **PAIR, "public_key": "private"}, "public_key", "key of its own"),
    Generated({"type": "hex", "public_key": "public"}, "public_key", "bytes"),
    Generated({"type": "template"}, "template", "placeholder"),
    Generated({"type": "template", "template": ""}, "template", "placeholder"),
    *(
        Generated({"type": "template", "template": text}, "template", "{{KEY|url}}")
        for text in (
            "no placeholder",
            "{{}}",
            "{{ }}",
            "{{password",
            "{{password|}}",
            "{{password|urlencode}}",
            "{{password|URL}}",
            "{{{password}}}",
            "{{a}} {{",
            "{{a|ses_smtp}}",
            "{{a|ses_smtp()}}",
            "{{a|ses_smtp(Frankfurt)}}",
            "{{a|url(x)}}",
            "{{|url}}",
            '{{"{{"}}',
        )
    ),
]
ACCEPTED_GENERATORS = [
    Generated({"type": "password"}),
    Generated({"type": "hex"}),
    Generated({"type": "hex", "bytes": 1}),
    Generated({"type": "hex", "bytes": None}),
    Generated({"type": "base64", "bytes": "4096"}),
    Generated({"type": "uuid"}),
    Generated({"type": "rsa", **PAIR}),
    Generated({"type": "rsa", **PAIR, "bits": 4096}),
    *(Generated({"type": "ec", **PAIR, "curve": curve}) for curve in ("P-256", "P-384", "P-521", "secp256k1")),
    *(
        Generated({"type": "template", "template": text})
        for text in (
            "{{password}}",
            "postgresql://{{username}}:{{password|url}}@{{host}}:{{port}}/{{dbname}}",
            '{"a": {{a|json}} }',
            "{ {{/database/password | sha256 | base64}}}",
            "{{secret_access_key|ses_smtp(us-gov-west-1)}}",
            '{{a}}{{"{{"}}x}} {',
            "zeile\n{{ein Schlüssel mit Ü}}",
            "{{a-b.c d/e}}",
        )
    ),
]

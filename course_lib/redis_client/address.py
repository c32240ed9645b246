"""Parse the URLs of Redis servers, also those that name several servers.

    redis://user:password@host:6379/0     rediss:// with TLS     unix:///path/to/socket?db=0
    redis+cluster://host:7000,host:7001                          rediss+cluster:// with TLS
    redis+sentinel://host:26379,host:26379/name-of-the-primary   rediss+sentinel:// with TLS

Options of redis-py's connections can follow, for example `?ssl_ca_certs=/etc/ca.pem`;
`url_options.py` lists them. The sentinels have a user and a password of their own:
`?sentinel_username=...&sentinel_password=...`.
"""

from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from course_lib.checks import check_text
from course_lib.redis_client.url_options import parse_options

T = TypeVar("T")

SCHEMES = {
    f"{scheme}{engine}"
    for scheme in ("redis", "rediss")
    for engine in ("", "+cluster", "+sentinel")
} | {"unix"}

EXAMPLE = (
    "pass one like redis://user:password@host:6379/0, with special characters as %2F and so on"
)


@dataclass(frozen=True)
class Address:
    """The servers in a URL, and how to connect to them."""

    engine: str  # "server", "cluster" or "sentinel"
    hosts: list[tuple[str, int]]
    options: dict[str, Any]  # of redis-py's connections, without the host
    is_encrypted: bool
    primary: str  # the name that sentinels know it by
    sentinel_options: dict[str, Any]

    def connection(self, unix: T, encrypted: T, plain: T) -> tuple[T, dict[str, Any]]:
        """Return which of redis-py's connection classes reaches the server, and its options."""
        if "path" in self.options:
            return unix, dict(self.options)
        host, port = self.hosts[0]
        options = {**self.options, "host": host, "port": port}
        return (encrypted if self.is_encrypted else plain), options


def parse(url: str) -> Address:
    """Return the parts of a URL.

    Raises TypeError if it isn't a string, and ValueError, with an example to follow, if it's wrong.
    """
    check_text("url", url)
    parts = _split(url)
    scheme, _, engine = parts.scheme.partition("+")
    is_encrypted = scheme == "rediss"
    kind = "unix" if scheme == "unix" else engine or "server"
    options = parse_options(parts.query, kind, is_encrypted)
    for option, text in (("username", parts.username), ("password", parts.password)):
        if text:
            options[option] = unquote(text)
    sentinel_options = {
        option: options.pop(f"sentinel_{option}")
        for option in ("username", "password")
        if f"sentinel_{option}" in options
    }
    path = unquote(parts.path)
    name = ""
    if kind == "unix":
        options["path"] = _checked_socket(path, parts.hostname)
    else:
        database = path.strip("/")
        if kind == "sentinel":
            name, _, database = database.partition("/")
            _check_name(name)
        _set_database(options, database, kind)
    return Address(
        engine=engine or "server",
        hosts=_hosts(parts, kind),
        options=options,
        is_encrypted=is_encrypted,
        primary=name,
        sentinel_options=sentinel_options,
    )


def parse_one(url: str) -> Address:
    """Return the parts of a URL of a single server. Raises as `parse` does, also for others."""
    parsed = parse(url)
    if parsed.engine != "server":
        raise ValueError(
            f"the URL leads to a {parsed.engine}, and only one server is possible here: "
            "pass a URL that begins with redis://, rediss:// or unix://"
        )
    return parsed


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError(f"the URL of Redis is invalid ({error}): {EXAMPLE}") from None
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in sorted(SCHEMES))
        raise ValueError(f"a URL of Redis begins with {known}; this one with {parts.scheme!r}")
    is_login_cut = parts.scheme != "unix" and "@" in parts.path
    if is_login_cut or parts.fragment:
        raise ValueError(f"a special character cuts the URL of Redis in two: {EXAMPLE}")
    return parts


def _hosts(parts: SplitResult, kind: str) -> list[tuple[str, int]]:
    default = 26379 if kind == "sentinel" else 6379
    texts = parts.netloc.rpartition("@")[2].split(",")
    if len(texts) > 1 and kind in ("server", "unix"):
        raise ValueError(
            "the URL of Redis has several hosts: begin it with redis+cluster:// or "
            "redis+sentinel://, or pass one host"
        )
    return [_host_and_port(text, default) for text in texts]


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        port = default if parts.port is None else parts.port
        if not port:
            raise ValueError
        return parts.hostname or "localhost", port
    except ValueError:  # its message may have a part of the password in it
        raise ValueError(
            f"the URL of Redis has a port that isn't a number from 1 to 65,535: {EXAMPLE}"
        ) from None


def _checked_socket(path: str, host: str | None) -> str:
    if host or not path.strip("/"):  # a relative path begins with what would be a host
        raise ValueError(
            "the URL of Redis has no path that begins with a slash: pass unix:///path/to/socket"
        )
    return path


def _check_name(name: str) -> None:
    if not name:
        raise ValueError(
            "the name of the primary is missing: redis+sentinel://host:26379,host:26379/name"
        )


def _set_database(options: dict[str, Any], database: str, kind: str) -> None:
    """Set the option `db` to the database in the path; one in the query overrides it."""
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(
            f"the database in the URL of Redis is {database!r}: pass a number, as in "
            "redis://host:6379/0"
        )
    number = options.setdefault("db", int(database or 0))
    if kind == "cluster" and number:
        raise ValueError(
            f"a Redis Cluster has only database 0, not {number}: use a namespace of the cache "
            "and the limiter instead"
        )

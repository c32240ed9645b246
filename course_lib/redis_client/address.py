"""Parse the URLs of Redis servers, also those that name several servers.

    redis://user:password@host:6379/0     rediss:// with TLS     unix:///path/to/socket?db=0
    redis+cluster://host:7000,host:7001                          rediss+cluster:// with TLS
    redis+sentinel://host:26379,host:26379/name-of-the-primary   rediss+sentinel:// with TLS

Options of redis-py's connections can follow, for example `?ssl_ca_certs=/etc/ca.pem`. The sentinels
have a user and a password of their own: `?sentinel_username=...&sentinel_password=...`.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import parse_url

SCHEMES = {
    f"{scheme}{engine}"
    for scheme in ("redis", "rediss")
    for engine in ("", "+cluster", "+sentinel")
} | {"unix"}


@dataclass(frozen=True)
class Address:
    """The servers in a URL, and how to connect to them."""

    engine: str  # "server", "cluster" or "sentinel"
    hosts: list[tuple[str, int]]
    options: dict[str, Any]  # of redis-py's connections
    is_encrypted: bool
    primary: str  # the name that sentinels know it by
    sentinel_options: dict[str, Any]


def parse(url: str) -> Address:
    """Return the parts of a URL. Raises ValueError, with an example to follow, if it's invalid."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in sorted(SCHEMES))
        raise ValueError(f"a URL of Redis begins with {known}; this one with {parts.scheme!r}")
    scheme, _, engine = parts.scheme.partition("+")
    login, at, hosts = parts.netloc.rpartition("@")
    name, _, database = parts.path.strip("/").partition("/")
    if engine != "sentinel":
        name, database = "", name
    elif not name:
        raise ValueError(
            "the name of the primary is missing: redis+sentinel://host:26379,host:26379/name"
        )
    if engine == "cluster" and database not in ("", "0"):
        raise ValueError(
            f"a Redis Cluster has only database 0, not {database!r}: use a namespace of the cache "
            "and the limiter instead"
        )
    port = 26379 if engine == "sentinel" else 6379
    # redis-py parses the login, the query and the types of its values.
    plain = f"{scheme}://{login}{at}host/{database}?{parts.query}"
    options: dict[str, Any] = dict(parse_url(url if scheme == "unix" else plain))
    sentinel_options = {
        option: options.pop(f"sentinel_{option}")
        for option in ("username", "password")
        if f"sentinel_{option}" in options
    }
    return Address(
        engine=engine or "server",
        hosts=[_host_and_port(host, port) for host in hosts.split(",")],
        options=options,
        is_encrypted=scheme == "rediss",
        primary=unquote(name),
        sentinel_options=sentinel_options,
    )


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "localhost", parts.port or default

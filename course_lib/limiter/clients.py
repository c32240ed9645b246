"""Identify the client that a request comes from, by its address."""

import inspect
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Literal
from uuid import UUID

from course_lib.asgi import Scope
from course_lib.checks import check_text

Identity = int | str | UUID
"""The name of a user or client."""
Identify = Callable[[Scope], Identity | Awaitable[Identity | None] | None]
"""Returns the user or client from a request's scope, or None if it's unknown; may be async."""

MOST_PROXIES = 20  # that a request is followed through
MAPPED_BITS = 96  # of an IPv6 address, before the IPv4 address that it may contain
UNIX_SOCKET = "unix"  # what `address_behind` calls a proxy on a Unix socket, which has no address
WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d*)?|([^:]*):\d+")  # an IPv6 address in brackets, or IPv4
FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*"?([^";]*)', re.IGNORECASE)
OTHER_QUOTED = re.compile(r'(?<!\bfor)="[^"]*"', re.IGNORECASE)  # host="...", from the client


def address(scope: Scope) -> str:
    """Return the address that a request comes from: an IPv4 address, or the /64 network for IPv6.

    An IPv6 client owns all 2^64 addresses of its network, so it could evade a limit per address.
    Behind a proxy this is the proxy's address: use `address_behind` instead. A server may have
    replaced it with the value of X-Forwarded-For, as uvicorn does for requests from its own
    machine: run uvicorn with `--no-proxy-headers`.
    """
    return _client_key(_peer(scope))


def address_behind(
    *proxies: str, header: Literal["X-Forwarded-For", "Forwarded"] | None = None
) -> Callable[[Scope], str]:
    """Return a function that identifies clients behind proxies: `address_behind("10.0.0.0/8")`.

    Each proxy appends the address that called it to `X-Forwarded-For`, or to `Forwarded` (RFC
    7239). Everything before that may be forged by the client, so the client is the last address
    that isn't one of our proxies, and the header counts only if the request itself comes from a
    proxy. Pass "unix" for a proxy that connects over a Unix socket.

    By default, `Forwarded` counts only if there is no `X-Forwarded-For`. If your proxies write just
    one of them, pass it as `header`: a client can send the other.
    Raises ValueError or TypeError if a proxy isn't an address or a network, or if the header is
    another one.
    """
    if header not in (None, "X-Forwarded-For", "Forwarded"):
        raise ValueError(f"header is {header!r}: choose X-Forwarded-For or Forwarded")
    over_unix_socket = UNIX_SOCKET in proxies
    networks = [_network(proxy) for proxy in proxies if proxy != UNIX_SOCKET]

    def is_proxy(host: str) -> bool:
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return over_unix_socket and not host
        return any(ip in network for network in networks)

    def identify(scope: Scope) -> str:
        client = _peer(scope)
        for host in _forwarded_hosts(scope, header):
            if not is_proxy(client):
                break
            client = host
        return _client_key(client)

    return identify


async def identify_client(
    scope: Scope, identify: Identify, anonymous: Identify | None
) -> Identity | None:
    """Return the client of a request: by `anonymous` if `identify` returns None or ""."""
    client = identify(scope)
    if inspect.isawaitable(client):
        client = await client
    if client is not None and client != "":
        return client
    client = anonymous(scope) if anonymous else None
    return await client if inspect.isawaitable(client) else client


def _network(proxy: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(check_text("proxy", proxy))
        mapped = _ipv6(str(network[0]))
        if mapped and mapped.ipv4_mapped and network.prefixlen >= MAPPED_BITS:
            return ipaddress.ip_network((mapped.ipv4_mapped, network.prefixlen - MAPPED_BITS))
        return network
    except ValueError as error:
        raise ValueError(
            f"proxy {error}: pass an address or a network such as '10.0.0.0/8', or 'unix'"
        ) from None


def _peer(scope: Scope) -> str:
    """Return the address that is connected to us; empty for a Unix socket."""
    client = scope.get("client")
    return _host(client[0] or "") if client else ""


def _forwarded_hosts(scope: Scope, header: str | None) -> Iterator[str]:
    """Yield the addresses that proxies have added, the nearest proxy's first."""
    lists: dict[bytes, list[bytes]] = {b"x-forwarded-for": [], b"forwarded": []}
    for name, value in scope["headers"]:
        if name in lists:
            lists[name].append(value)
    name = header.lower().encode() if header else b"x-forwarded-for"
    if header is None and not lists[name]:
        name = b"forwarded"
    # A client may send thousands of entries, so only the last ones are read.
    entries = b",".join(lists[name]).rsplit(b",", MOST_PROXIES)[-MOST_PROXIES:]
    texts = [entry.decode("latin-1") for entry in reversed(entries)]
    for text in _forwarded_for(texts) if name == b"forwarded" else texts:
        if host := _host(text):
            yield host


def _forwarded_for(entries: list[str]) -> Iterator[str]:
    """Yield the `for` of each entry of `Forwarded`. Quotes may have a comma or a "for=" in them."""
    rest = ""
    for entry in entries:
        text = re.sub(r"\\.", "", entry) + rest
        if text.count('"') % 2:
            rest = "," + text  # the quotes begin before this comma
            continue
        rest = ""
        if match := FORWARDED_FOR.search(OTHER_QUOTED.sub("=", text)):
            yield match[1]


def _host(text: str) -> str:
    """Return an address without a port or brackets, and an IPv4 address as such."""
    host = text.strip(' \t"')
    if match := WITH_PORT.fullmatch(host):
        host = match[1] or match[2] or ""
    if ":" in host:  # any spelling of "::ffff:192.0.2.1"
        ip = _ipv6(host)
        if ip and ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
    return host


def _client_key(host: str) -> str:
    """Return the name that a host's requests are counted under."""
    if ":" not in host:
        return host or "unknown"
    ip = _ipv6(host)
    if ip is None:
        return host
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))


def _ipv6(host: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(host)
    except ValueError:
        return None

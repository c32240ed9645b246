"""Identify the client that a request comes from, by its address."""

import ipaddress
from collections.abc import Callable

from course_lib.asgi import Scope

Identify = Callable[[Scope], int | str]
"""Returns the user or client from a request's ASGI scope."""


def address(scope: Scope) -> str:
    """Return the address that a request comes from: an IPv4 address, or the /64 network for IPv6.

    An IPv6 client owns all 2^64 addresses of its network, so it could evade a limit per address.
    Behind a proxy this is the proxy's address: use `address_behind` instead. A server may have
    replaced it with the value of X-Forwarded-For, as uvicorn does for requests from its own
    machine: run uvicorn with `--no-proxy-headers`.
    """
    client = scope.get("client")
    return _client_key(client[0]) if client else "unknown"


def address_behind(*proxies: str) -> Identify:
    """Return a function that identifies clients behind proxies: `address_behind("10.0.0.0/8")`.

    Each proxy appends the address that called it to `X-Forwarded-For`. Everything before that may
    be forged by the client, so the client is the last address that isn't one of our proxies, and
    the header counts only if the request itself comes from a proxy.
    Raises ValueError if a proxy isn't an address or a network.
    """
    networks = [ipaddress.ip_network(proxy) for proxy in proxies]

    def is_proxy(host: str) -> bool:
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(ip in network for network in networks)

    def identify(scope: Scope) -> str:
        client = scope["client"][0] if scope.get("client") else ""
        for host in reversed(_forwarded_for(scope)):
            if not is_proxy(client):
                break
            client = host
        return _client_key(client)

    return identify


def _forwarded_for(scope: Scope) -> list[str]:
    """Return the addresses in X-Forwarded-For, the nearest proxy's entry last."""
    hosts: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            hosts += value.decode("latin-1").split(",")
    return [host.strip() for host in hosts]


def _client_key(host: str) -> str:
    """Return the name that a host's requests are counted under."""
    if ":" not in host:
        return host or "unknown"
    try:
        ip = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))

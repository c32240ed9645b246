"""Check the options in a URL of Redis, such as `?socket_timeout=0.5`, when the client is made.

redis-py passes on what it doesn't know as text, so a mistake would show at the first command, in a
request, or never: it reads `decode_responses=False` as true.
"""

import codecs
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from redis.asyncio import SSLConnection
from redis.exceptions import RedisError

try:
    from redis.driver_info import DriverInfo as _DriverInfo
except ImportError:  # in redis-py 6
    DriverInfo: Any = None
else:
    DriverInfo = _DriverInfo

SWITCHES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Kind:
    """A kind of values: in words, and a function that raises if a text is anything else."""

    values: str
    parse: Callable[[str], Any]


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _positive(text: str) -> int:
    number = _whole(text)
    if number == 0:
        raise ValueError
    return number


def _protocol(text: str) -> int:
    return {"2": 2, "3": 3}[text]


def _encoding(text: str) -> str:
    if "PING".encode(text) != b"PING":  # as in UTF-16: Redis wouldn't know its commands
        raise ValueError
    return text


def _error_handler(text: str) -> str:
    codecs.lookup_error(text)
    return text


def _false(text: str) -> bool:
    if SWITCHES[text.lower()]:
        raise ValueError
    return False


def _word(text: str) -> str:
    is_printable = text.isascii() and text.isprintable()
    if not text or not is_printable or " " in text:
        raise ValueError
    return text


SECONDS = Kind("seconds, more than 0", _seconds)
WHOLE = Kind("a whole number, 0 or more", _whole)
POSITIVE = Kind("a whole number, 1 or more", _positive)
SWITCH = Kind("true or false", lambda text: SWITCHES[text.lower()])
WORD = Kind("a name without spaces", _word)
ONCE = Kind("false: a command is tried once, and the breaker decides when to retry", _false)
TEXT = Kind("text", str)

KINDS = {
    "client_name": WORD,
    "db": WHOLE,
    "decode_responses": SWITCH,
    "encoding": Kind("an encoding that extends ASCII, such as utf-8", _encoding),
    "encoding_errors": Kind("strict, replace or ignore", _error_handler),
    "health_check_interval": WHOLE,
    "lib_name": WORD,
    "lib_version": WORD,
    "max_connections": POSITIVE,
    "password": TEXT,
    "protocol": Kind("2 or 3", _protocol),
    "socket_connect_timeout": SECONDS,
    "socket_read_size": POSITIVE,
    "socket_timeout": SECONDS,
    "username": TEXT,
}
OF_ENGINE = {
    "unix": {"retry_on_timeout": ONCE, "timeout": SECONDS},
    "server": {"retry_on_timeout": ONCE, "socket_keepalive": SWITCH, "timeout": SECONDS},
    "cluster": {"socket_keepalive": SWITCH},
    "sentinel": {
        "sentinel_password": TEXT,
        "sentinel_username": TEXT,
        "socket_keepalive": SWITCH,
    },
}
OF_TLS = {
    "ssl_ca_certs": TEXT,
    "ssl_ca_data": TEXT,
    "ssl_cert_reqs": TEXT,
    "ssl_certfile": TEXT,
    "ssl_check_hostname": SWITCH,
    "ssl_ciphers": TEXT,
    "ssl_keyfile": TEXT,
    "ssl_min_version": WHOLE,
}


def parse_options(query: str, engine: str, is_encrypted: bool) -> dict[str, Any]:
    """Return the options in a URL's query. Raises ValueError, with what to pass instead.

    The message never has a password in it.
    """
    kinds = KINDS | OF_ENGINE[engine] | (OF_TLS if is_encrypted else {})
    options = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        kind = kinds.get(name)
        if kind is None:
            raise ValueError(_unknown(name, kinds))
        try:
            options[name] = kind.parse(text)
        except (ValueError, LookupError):
            raise ValueError(
                f"the option {name}={text} in the URL of Redis is wrong: pass {kind.values}"
            ) from None
    _check_tls({name: value for name, value in options.items() if name in OF_TLS})
    _describe_library(options)
    options.pop("retry_on_timeout", None)  # it's false, as it always is
    return options


def _describe_library(options: dict[str, Any]) -> None:
    """Replace `lib_name` and `lib_version` by the option that has replaced them in redis-py."""
    described = {"lib_name", "lib_version"} & options.keys()
    if described and DriverInfo:
        fields = {"lib_name": "name", "lib_version": "lib_version"}
        values = {fields[name]: options.pop(name) for name in described}
        options["driver_info"] = DriverInfo(**values)


def _unknown(name: str, kinds: dict[str, Kind]) -> str:
    if name in OF_TLS:
        return f"the option {name} in the URL of Redis needs TLS: begin the URL with rediss"
    known = ", ".join(sorted(kinds))
    text = name if name.isidentifier() else "?"  # a password with a "?" also ends up here
    return f"the URL of Redis has an unknown option, {text}: remove it, or use one of {known}"


def _check_tls(options: dict[str, Any]) -> None:
    """Make what redis-py makes of the options at the first connection."""
    if not options:
        return
    try:
        SSLConnection(**options).ssl_context.get()
    except (OSError, ValueError, RedisError) as error:
        names = ", ".join(options)
        raise ValueError(
            f"the URL of Redis has wrong options for TLS ({error}): check {names}"
        ) from None

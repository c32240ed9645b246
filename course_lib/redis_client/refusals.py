"""Tell "not now" from "you are wrong" in what redis-py raises.

    not now         no connection, no reply, a garbled reply, or a reply that names a passing state:
                    LOADING, BUSY, READONLY, OOM ... --> `reason` returns a word for a metric
    you are wrong   a wrong password or certificate, a missing right, an unknown command, a server
                    that isn't a cluster ...         --> `reason` returns None: raise it

Callers have a policy for the first kind. The second kind has to be seen and fixed: a wrong password
that counted as "unavailable" would turn off every limit.
"""

import ssl
from re import compile as pattern

from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterError,
    ConnectionError,
    InvalidResponse,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    SlotNotCoveredError,
    TimeoutError,
    TryAgainError,
)

# redis-py removes the code from the replies that it has a class for. Subclasses come first.
_OF_CLASS: list[tuple[type[Exception], str]] = [
    (BusyLoadingError, "loading"),
    (OutOfMemoryError, "oom"),
    (ReadOnlyError, "readonly"),
    (MasterDownError, "masterdown"),
    (TryAgainError, "tryagain"),
    (ClusterError, "clusterdown"),  # also its "TTL exhausted": redirected too often
    (SlotNotCoveredError, "clusterdown"),
    (TimeoutError, "timeout"),
    (InvalidResponse, "protocol"),
    (ConnectionError, "connection"),
    (OSError, "connection"),
]
# The code begins the message. Before Redis 7, an error inside a script has it after ": -".
_CODE = pattern(
    r"(?:^|: -)(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|READONLY"
    r"|UNBLOCKED)(?= )"
)
# Messages without a code of their own.
_TEXTS = [
    ("max number of clients", "connection"),
    ("while the cluster is down", "clusterdown"),
    ("access a non local key", "tryagain"),  # the slot of a script's keys is being moved
    ("All slots are not covered", "clusterdown"),
]
FROM_A_REPLICA = {"readonly", "masterdown"}
"""The reasons that only a replica gives: a primary that was demoted, for example."""

_NO_CLUSTER = "Cluster mode is not enabled"


def unwrap(error: Exception) -> Exception:
    """Return the error that redis-py hid in a ConnectionError or a RedisClusterException."""
    while type(error) in (ConnectionError, RedisClusterException):
        cause = error.__cause__
        context = error.__context__
        if isinstance(context, (ssl.SSLError, PermissionError)) or _NO_CLUSTER in str(error):
            cause = context
        if not isinstance(cause, Exception):
            break
        error = cause
    return error


def reason(error: Exception) -> str | None:
    """Return why Redis is unavailable, in a word, or None if the caller did something wrong."""
    if _is_wrong_login(error) or _is_rejected_certificate(error):
        return None
    for kind, word in _OF_CLASS:
        if isinstance(error, kind):
            return word
    if isinstance(error, (ResponseError, RedisClusterException)):
        return _reason_in_text(str(error))
    return None


def _is_wrong_login(error: Exception) -> bool:
    """Return True if Redis, a sentinel or a Unix socket doesn't let this user in."""
    if isinstance(error, MasterNotFoundError):
        return "AuthenticationError" in str(error)
    # redis-py derives the first two from ConnectionError.
    return isinstance(error, (AuthenticationError, AuthorizationError, PermissionError))


def _reason_in_text(message: str) -> str | None:
    code = _CODE.search(message)
    if code:
        return code[1].lower()
    return next((word for text, word in _TEXTS if text in message), None)


def _is_rejected_certificate(error: Exception) -> bool:
    """Return True if either side rejects the other's certificate or TLS settings."""
    if not isinstance(error, ssl.SSLError):
        return False
    by_us = isinstance(error, ssl.SSLCertVerificationError)
    reason = str(getattr(error, "reason", ""))
    by_server = "ALERT" in reason
    no_tls = reason == "WRONG_VERSION_NUMBER"
    return by_us or by_server or no_tls

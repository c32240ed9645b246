"""Cache what a function or a FastAPI endpoint returns: the decorator `Cache.cached`.

    @app.get("/stats/{user_id}")
    @cache.cached(ttl=60, user="user_id")
    async def stats(user_id: int, session: Session = Depends(get_session)) -> Stats: ...

The signature stays the same, so FastAPI resolves it as before.
"""

import asyncio
import functools
import hashlib
import inspect
import logging
import re
import string
from collections.abc import Awaitable, Callable
from typing import Any

from course_lib.cache.argument_text import argument_text, attributes_text
from course_lib.cache.codec import Codec, JsonCodec
from course_lib.cache.framework import (
    DEPENDENCIES,
    LEFT_OUT,
    RESPONSE,
    SECRETS,
    WRITTEN,
    comes_from,
    is_from_framework,
)
from course_lib.cache.function_names import FunctionNames
from course_lib.cache.model_form import is_model, loss_when_read
from course_lib.cache.ttl import Seconds, Ttl, check_ttl, seconds
from course_lib.callables import typed_signature
from course_lib.checks import check_decorated, check_not_async

LONGEST_ARGUMENTS = 200  # characters; longer ones are in the key as a hash
INEXPRESSIBLE = (TypeError, ValueError, AttributeError, RecursionError)

Function = Callable[..., Any]
Part = str | Callable[..., Any]

log = logging.getLogger(__package__)


class CachedFunctions:
    """Adds the decorator `cached` to a cache."""

    get_or_set: Callable[..., Awaitable[Any]]

    def __init__(self, client: object, namespace: str, codec: Codec | None) -> None:
        self._function_names = FunctionNames.of(client, namespace)
        self._has_json = codec is None or isinstance(codec, JsonCodec)

    def cached(
        self,
        *misplaced: object,
        ttl: Ttl | None = None,
        key: Part | None = None,
        user: Part | None = None,
        stale: Seconds | None = None,
    ) -> Callable[[Function], Callable[..., Awaitable[Any]]]:
        """Return a decorator that caches what an async or ordinary function returns.

        - `key`: a format string such as "stats:{user_id}", or a function of the arguments. Calls
          with the same key share a value, and a format string writes 1 and "1" alike. By default,
          the function's full name and its arguments, each with its type.
        - `user`: the name of an argument, or a function of the arguments. The entries of a call
          belong to that user: `invalidate_user_cache` removes them. The default key includes it.
        - `ttl`, `stale`: as for `get_or_set`.

        The decorated function is async and returns what JSON restores. An ordinary function runs
        in a thread. Put the decorator below FastAPI's and below `@limiter.limit`, which wouldn't
        count hits otherwise. Return data, not a `Response`. FastAPI reads a response model from
        what JSON restores, so the model has to read the values that it writes. If it can't, that's
        logged once.

        The default key includes what a dependency returns, such as a user's ID or a page, if its
        content is known. `Request` and other dependencies, such as a database session, are left
        out: if the result depends on one, pass `user` or `key`. If you pass neither, each is logged
        once. So is each `Response` and `BackgroundTasks`: a hit adds no header, cookie or task.
        Don't combine a session with `stale`: the function may then run when the request has ended
        and the session is closed.

        Raises TypeError for a generator, for a lambda, a partial or an object without `key`, and
        when called with an argument whose content isn't known. Raises ValueError if `key` or `user`
        names an argument that the function doesn't have, or if another function without `key` has
        the same name but other code, or other values of the variables around it.
        """
        if misplaced:
            raise TypeError("write @cache.cached(), with options by name: @cache.cached(ttl=60)")
        for name, part in (("key", key), ("user", user)):
            if part == "" or not isinstance(part, str | Callable | None):
                raise TypeError(f"{name} must be a non-empty string or a function, not {part!r}")
        check_not_async(key=key, user=user)
        if ttl is not None:
            check_ttl(ttl)
        if stale is not None:
            seconds("stale", stale)

        def decorate(function: Function) -> Callable[..., Awaitable[Any]]:
            decorated = _CachedFunction(function, key, user, checks_models=self._has_json)
            if key is None:
                self._function_names.add(decorated.name, function)

            @functools.wraps(function)
            async def cached(*arguments: Any, **named: Any) -> Any:
                bound = decorated.bind(arguments, named)
                user_id = decorated.user_id(bound)
                loader = functools.partial(decorated.load, bound)
                return await self.get_or_set(
                    decorated.key(bound, user_id), loader, ttl, user_id=user_id, stale=stale
                )

            return cached

        return decorate


class _CachedFunction:
    """A decorated function, and how to derive keys and users from its arguments."""

    def __init__(
        self, function: Function, key: Part | None, user: Part | None, *, checks_models: bool
    ) -> None:
        check_decorated("@cache.cached", function)
        if _is_generator(function):
            name = getattr(function, "__qualname__", repr(function))
            raise TypeError(f"{name} is a generator, which can't be cached: return a list")
        self._function = function
        self._key = key
        self._user = user
        own_name = getattr(function, "__qualname__", "<unnamed>")
        self.name = f"{getattr(function, '__module__', 'builtins')}.{own_name}"
        if key is None and own_name.endswith(">"):  # a lambda, a partial or an object
            raise TypeError(
                f"{function!r} has no name of its own for its keys, so it could get another "
                "function's values: pass `key`"
            )
        self._signature = typed_signature(function)
        if is_from_framework(self._signature.return_annotation, RESPONSE):
            raise TypeError(f"{self.name} returns a Response, which can't be cached: return data")
        parameters = self._signature.parameters.items()
        self._dependencies = {name for name, part in parameters if comes_from(part, DEPENDENCIES)}
        self._secrets = {name for name, part in parameters if comes_from(part, SECRETS)}
        for name, parameter in parameters:
            if is_from_framework(parameter.annotation, WRITTEN):
                log.warning("%s uses its argument %r on a miss, but not on a hit", self.name, name)
        self._left_out: set[str] = set()
        self._checks_models = checks_models
        self._checked: set[type] = set()  # of models
        if isinstance(user, str) and user not in self._signature.parameters:
            raise ValueError(f"{self.name} has no argument {user!r}: pass user= one that it has")
        if isinstance(key, str):
            _check_format(key, self._signature, self.name)

    def bind(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> inspect.BoundArguments:
        """Return a call's arguments by name, with defaults."""
        try:
            bound = self._signature.bind(*arguments, **named)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return bound

    async def load(self, bound: inspect.BoundArguments) -> Any:
        """Call the function."""
        if inspect.iscoroutinefunction(self._function):
            result = await self._function(*bound.args, **bound.kwargs)
        else:
            result = await asyncio.to_thread(self._call, bound)
            if inspect.isawaitable(result):  # of an object or a wrapper without an `async def`
                result = await result
        if self._checks_models:
            self._check_model(result)
        return result

    def _call(self, bound: inspect.BoundArguments) -> Any:
        """Call the function, in a thread."""
        try:
            return self._function(*bound.args, **bound.kwargs)
        except StopIteration as error:  # which asyncio can't pass on, so the load would never end
            raise RuntimeError(f"{self.name} raised StopIteration") from error

    def _check_model(self, result: Any) -> None:
        """Log once for each class of models if FastAPI, which reads them again, loses something."""
        model = result[0] if result and isinstance(result, list) else result
        if not is_model(model) or type(model) in self._checked:
            return
        self._checked.add(type(model))
        loss = loss_when_read(model)
        if loss:
            log.warning(
                "%s returns a %s, which can't be FastAPI's response model here, because these "
                "fields aren't the same when they're read from the cache: %s",
                self.name,
                type(model).__name__,
                loss,
            )

    def user_id(self, bound: inspect.BoundArguments) -> Any:
        """Return the user whom the call's entry belongs to, or None."""
        if isinstance(self._user, str):
            return bound.arguments[self._user]
        return self._user(*bound.args, **bound.kwargs) if self._user else None

    def key(self, bound: inspect.BoundArguments, user_id: Any) -> str:
        """Return the key for a call."""
        if isinstance(self._key, str):
            return self._key.format(**bound.arguments)
        if self._key:
            chosen: str = self._key(*bound.args, **bound.kwargs)
            return chosen
        parts = [] if user_id is None else [f"user:{str(user_id)!r}"]
        is_secret = False
        for name, value in bound.arguments.items():
            text = self._text(name, value)
            if text is not None:
                parts.append(f"{name}={text}")
                is_secret |= name in self._secrets
        arguments = ",".join(parts)
        if is_secret or len(arguments) > LONGEST_ARGUMENTS:
            arguments = hashlib.sha256(arguments.encode()).hexdigest()
        return f"{self.name}({arguments})"

    def _text(self, name: str, value: Any) -> str | None:
        """Return an argument as text for the key, or None if it's left out."""
        if is_from_framework(type(value), LEFT_OUT):
            if not is_from_framework(type(value), WRITTEN):
                self._leave_out(name)
            return None
        try:
            return argument_text(value)
        except INEXPRESSIBLE as error:
            if name not in self._dependencies:
                raise TypeError(
                    f"{self.name} can't have its argument {name!r} in a key, because {error}: "
                    "pass `key`, a function of the arguments"
                ) from None
        if name in self._left_out:  # a session, say: its attributes would take long again
            return None
        try:
            return attributes_text(value)  # a page, with `offset` and `limit`
        except INEXPRESSIBLE:
            self._leave_out(name)
            return None

    def _leave_out(self, name: str) -> None:
        """Log once that the key doesn't have an argument, unless the user stands for it."""
        if self._user is None and name not in self._left_out:
            log.warning(
                "%s is cached for all values of its argument %r: if the result depends on it, pass "
                "`user` or `key`",
                self.name,
                name,
            )
        self._left_out.add(name)


def _is_generator(function: Function) -> bool:
    """Return True if calling a function, a partial or an object returns a generator."""
    for called in (function, type(function).__call__):
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            return True
    return False


def _check_format(key: str, signature: inspect.Signature, name: str) -> None:
    """Raise ValueError if a format string has a field that no argument can fill."""
    try:
        fields = list(string.Formatter().parse(key))
    except ValueError as error:
        raise ValueError(f"the key {key!r} of {name} isn't a format string: {error}") from None
    for _, field, _, _ in fields:
        argument = re.split(r"[.\[]", field or "")[0]
        if field is not None and argument not in signature.parameters:
            raise ValueError(
                f"{name} has no argument {argument!r}, which is in its key {key!r}: name one that "
                "it has"
            )

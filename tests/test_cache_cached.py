"""The decorator caches functions and FastAPI endpoints, under keys that tell calls apart."""

import asyncio
import dataclasses
import functools
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Cookie, Depends, FastAPI, Header, Request, Response
from fastapi.responses import StreamingResponse
from redis.asyncio import Redis

from course_lib.cache import Cache
from course_lib.lab import redis_server
from tests.conftest import empty_client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    async with empty_client(own_server) as client:
        yield client


@pytest.fixture
def cache(redis: Redis) -> Cache:
    return Cache(redis)


async def test_calls_with_equal_arguments_share_an_entry_however_they_are_passed(
    cache: Cache,
) -> None:
    calls = []

    @cache.cached(ttl=60)
    async def add(x: int, y: int = 2, *more: int, **named: int) -> int:
        calls.append((x, y))
        return x + y

    assert [await add(1), await add(1, 2), await add(y=2, x=1)] == [3, 3, 3]
    assert len(calls) == 1
    assert [await add(1, 3), await add(1, 2, 3), await add(1, z=4)] == [4, 3, 3]
    assert len(calls) == 4
    assert add.__name__ == "add"


async def test_functions_of_the_same_arguments_share_no_entries(cache: Cache) -> None:
    @cache.cached()
    async def one(x: int) -> str:
        return "one"

    @cache.cached()
    async def other(x: int) -> str:
        return "other"

    assert [await one(1), await other(1)] == ["one", "other"]


async def test_an_ordinary_function_runs_in_a_thread_and_concurrent_calls_share_it(
    cache: Cache,
) -> None:
    calls = []

    @cache.cached(ttl=60)
    def slow(x: uuid.UUID) -> str:
        calls.append(x)
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "value"

    number = uuid.UUID(int=1)
    assert await asyncio.gather(*[slow(number) for _ in range(10)]) == ["value"] * 10
    assert len(calls) == 1


@pytest.mark.parametrize("user", ["user_id", lambda user_id, page=1: user_id])
async def test_the_entries_of_a_user_can_be_invalidated(cache: Cache, user: Any) -> None:
    calls = []

    @cache.cached(user=user)
    async def stats(user_id: int, page: int = 1) -> int:
        calls.append(user_id)
        return len(calls)

    assert [await stats(7), await stats(7, 2), await stats(8), await stats(7)] == [1, 2, 3, 1]
    assert await cache.invalidate_user_cache(7) == 2
    assert [await stats(7), await stats(8)] == [4, 3]


@pytest.mark.parametrize("key", ["stats:{user_id}", lambda user_id, tasks: f"stats:{user_id}"])
async def test_a_key_can_be_a_format_or_a_function_of_the_arguments(cache: Cache, key: Any) -> None:
    @cache.cached(key=key)
    async def stats(user_id: int, tasks: object) -> int:
        return user_id

    assert await stats(7, object()) == 7
    assert await cache.get("stats:7") == 7


async def test_long_arguments_are_in_the_key_as_a_hash(cache: Cache) -> None:
    @cache.cached()
    async def length(text: str) -> int:
        return len(text)

    assert [await length("x" * 5_000), await length("y" * 5_001)] == [5_000, 5_001]


def numbers(count: int) -> Iterator[int]:
    yield from range(count)


class Numbers:
    async def __call__(self) -> AsyncIterator[int]:
        yield 1


async def test_what_cannot_be_cached_is_an_error_that_says_what_to_do(cache: Cache) -> None:
    with pytest.raises(TypeError, match="rows is a generator"):

        @cache.cached()
        async def rows() -> AsyncIterator[int]:
            yield 1

    async def stats(user_id: int) -> int:
        return user_id

    with pytest.raises(ValueError, match="has no argument 'user'"):
        cache.cached(user="user")(stats)

    async def page() -> StreamingResponse:
        return StreamingResponse([])

    with pytest.raises(TypeError, match="page returns a Response, which can't be cached"):
        cache.cached()(page)

    for generator in (functools.partial(numbers, 2), Numbers()):
        with pytest.raises(TypeError, match="is a generator, which can't be cached"):
            cache.cached(key="numbers")(generator)

    with pytest.raises(ValueError, match=r"key '\{' of .*stats isn't a format string"):
        cache.cached(key="{")(stats)

    @cache.cached()
    async def read(path: object) -> int:
        return 1

    with pytest.raises(TypeError, match=r"read: missing a required argument: 'path'"):
        await read()
    with pytest.raises(TypeError, match=r"argument 'path' in a key, .*: pass `key`"):
        await read(object())


# --- FastAPI --------------------------------------------------------------------------------------


class Page:
    """A dependency with plain fields, as in FastAPI's tutorial."""

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset


async def session() -> AsyncIterator[object]:
    yield object()  # another one for each request


def current_user(x_api_key: Annotated[str, Header()]) -> str:
    return x_api_key


@dataclasses.dataclass
class Totals:
    user: str
    item: int
    offset: int
    calls: int


def app_of(cache: Cache, *, is_async: bool) -> FastAPI:
    app, calls = FastAPI(), []

    def totals(user: str, item: int, offset: int) -> Totals:
        calls.append(user)
        return Totals(user, item, offset, len(calls))

    if is_async:

        @app.get("/items/{item}")
        @cache.cached(ttl=60)
        async def read(
            item: int,
            *,
            request: Request,
            response: Response,
            tasks: BackgroundTasks,
            database: Annotated[object, Depends(session)],
            user: Annotated[str, Depends(current_user)],
            page: Page = Depends(),  # noqa: B008
        ) -> Totals:
            return totals(user, item, page.offset)
    else:

        @app.get("/items/{item}")
        @cache.cached(ttl=60)
        def read_in_thread(
            item: int,
            request: Request,
            user: str = Depends(current_user),
            page: Page = Depends(),  # noqa: B008
            database: object = Depends(session),
        ) -> Totals:
            return totals(user, item, page.offset)

    return app


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_endpoint_is_cached_by_its_arguments_without_requests_and_sessions(
    cache: Cache, is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_of(cache, is_async=is_async)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def calls(path: str, user: str) -> int:
            response = await client.get(path, headers={"X-API-Key": user})
            assert response.status_code == 200
            answer = response.json()
            assert answer["user"] == user, "a response of another user"
            return int(answer["calls"])

        assert [await calls("/items/1", "ann") for _ in range(3)] == [1, 1, 1]
        assert [await calls("/items/1", "bob"), await calls("/items/2", "ann")] == [2, 3]
        assert [await calls("/items/1?offset=5", "ann") for _ in range(2)] == [4, 4]
        wrong = await client.get("/items/x", headers={"X-API-Key": "ann"})
        assert wrong.status_code == 422
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    left_out = [text for text in warnings if "is cached for all values of its argument" in text]
    assert [text.split("'")[1] for text in left_out] == ["request", "database"]
    unused = [text for text in warnings if "on a miss, but not on a hit" in text]
    assert [text.split("'")[1] for text in unused] == (["response", "tasks"] if is_async else [])
    assert len(warnings) == len(left_out) + len(unused)
    parameters = app.openapi()["paths"]["/items/{item}"]["get"]["parameters"]
    assert {parameter["name"] for parameter in parameters} == {"item", "offset", "x-api-key"}


async def test_what_a_dependency_returns_is_in_no_key_as_plain_text(
    cache: Cache, redis: Redis
) -> None:
    app = app_of(cache, is_async=True)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        await client.get("/items/1", headers={"X-API-Key": "secret"})
    (key,) = await redis.keys("*:entry:*")
    assert b"secret" not in key


@pytest.mark.parametrize("source", [Header(), Cookie()])
async def test_a_header_and_a_cookie_are_in_no_key_as_plain_text(
    cache: Cache, redis: Redis, source: Any
) -> None:
    app = FastAPI()

    @app.get("/")
    @cache.cached()
    async def profile(token: Annotated[str, source]) -> str:
        return token

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        for token in ("secret", "other"):
            headers = {"token": token, "Cookie": f"token={token}"}
            assert (await client.get("/", headers=headers)).json() == token
    keys = await redis.keys("*:entry:*")
    assert len(keys) == 2
    assert b"secret" not in b"".join(keys)


async def test_a_dependency_can_be_an_alias_for_its_annotation(cache: Cache, redis: Redis) -> None:
    extensions = pytest.importorskip("typing_extensions")  # comes with FastAPI
    user = extensions.TypeAliasType("User", Annotated[str, Depends(current_user)])

    async def profile(user: str) -> str:
        return user

    profile.__annotations__["user"] = user  # as after: type User = Annotated[...], in Python 3.12
    await cache.cached()(profile)("secret")
    (key,) = await redis.keys("*:entry:*")
    assert b"secret" not in key


@pytest.mark.parametrize(
    "returned", ["Annotated[str, 'a name']", "Missing", "list[Missing]", "1 +"]
)
async def test_a_dependency_is_seen_beside_an_annotation_that_cannot_be_evaluated(
    cache: Cache, redis: Redis, returned: str
) -> None:
    async def profile(user: "Annotated[str, Depends(current_user)]") -> str:
        return user

    profile.__annotations__["return"] = returned  # as with a name that only mypy imports
    await cache.cached()(profile)("secret")
    (key,) = await redis.keys("*:entry:*")
    assert b"secret" not in key


class Doubled:
    async def __call__(self, x: int) -> int:
        return 2 * x


async def times(factor: int, x: int) -> int:
    return factor * x


def wrapper(x: int) -> Any:
    return times(2, x)


@pytest.mark.parametrize("function", [Doubled(), functools.partial(times, 2), lambda x: 2 * x])
async def test_a_function_without_a_name_of_its_own_needs_a_key(
    cache: Cache, function: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError, match="pass `key`"):
        cache.cached()(function)
    doubled = cache.cached(key="doubled:{x}")(function)
    assert [await doubled(2), await doubled(2), cache.loads] == [4, 4, 1]


async def test_a_function_that_returns_a_coroutine_is_awaited(cache: Cache) -> None:
    doubled = cache.cached()(wrapper)
    assert [await doubled(2), await doubled(2), cache.loads] == [4, 4, 1]


async def test_a_decorator_without_parentheses_says_how_to_write_it(cache: Cache) -> None:
    decorator: Any = cache.cached
    for misplaced in (len, 60):
        with pytest.raises(TypeError, match=r"write @cache\.cached\(\), with options by name"):
            decorator(misplaced)


@pytest.mark.parametrize("key", ["stats:{user}", "{}", "{0}", "{user.id}", "{x}:{user[id]}"])
async def test_a_key_with_an_unknown_argument_is_an_error_when_the_function_is_decorated(
    cache: Cache, key: str
) -> None:
    with pytest.raises(ValueError, match="has no argument"):
        cache.cached(key=key)(times)
    assert cache.cached(key="{{user}}:{x!r:>5}:{factor.real}")(times)


async def test_arguments_of_different_types_have_different_keys(cache: Cache) -> None:
    @dataclasses.dataclass
    class Cat:
        name: str

    @dataclasses.dataclass
    class Dog:
        name: str

    @cache.cached()
    async def kind_of(value: Any) -> str:
        return type(value).__name__

    number = uuid.UUID(int=1)
    values: list[Any] = [Cat("Tom"), Dog("Tom"), {"name": "Tom"}, number, str(number), 1, "1", True]
    kinds = [type(value).__name__ for value in values]
    for _ in range(2):
        assert [await kind_of(value) for value in values] == kinds


async def test_an_ordinary_function_that_raises_stop_iteration_fails_at_once(cache: Cache) -> None:
    @cache.cached()
    def first_of_none() -> int:
        return next(iter(()))

    with pytest.raises(RuntimeError, match="first_of_none raised StopIteration"):
        await first_of_none()


async def test_functions_that_would_get_each_others_values_are_refused(cache: Cache) -> None:
    @dataclasses.dataclass
    class User:
        name: str

    def profile_of(user_id: Any, **options: Any) -> None:
        @cache.cached(**options)
        async def load() -> Any:
            return user_id

    profile_of(User("Zoë"))
    profile_of(User("Zoë"))
    for other in (User("Ann"), 1, None):
        profile_of(other, key="profile:other")
        with pytest.raises(ValueError, match="variable 'user_id'"):
            profile_of(other)

    async def twin(a: int) -> int:
        return a

    cache.cached()(twin)
    first = twin

    async def twin(a: int) -> int:  # type: ignore[no-redef]
        return -a

    with pytest.raises(ValueError, match="other code"):
        cache.cached()(twin)
    cache.cached()(first)

    class Users:
        async def count(self) -> int:
            return 1

    cache.cached()(Users().count)
    with pytest.raises(ValueError, match="other objects"):
        cache.cached()(Users().count)


def wrapped(function: Callable[[], Any]) -> Callable[[], Any]:
    async def call() -> Any:
        return function()

    return call


def wrapped_by_name(function: Callable[[], Any]) -> Callable[[], Any]:
    return functools.wraps(function)(wrapped(function))


def loader_of(value: Any) -> Callable[[], Any]:
    def load(again: bool = True) -> Any:
        return load(again=False) if again else value

    return load


def other_loader() -> None: ...


def load() -> int:
    return 1


first_load = load


def load() -> int:  # type: ignore[no-redef]
    return 2


@pytest.mark.parametrize("wrap", [wrapped, wrapped_by_name])
@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (loader_of(1), loader_of(1), loader_of(2)),
        (loader_of(int), loader_of(int), loader_of(str)),
        (loader_of(loader_of(1)), loader_of(loader_of(1)), loader_of(loader_of(2))),
        (first_load, first_load, load),
    ],
)
async def test_wrapped_functions_that_use_other_values_are_refused(
    cache: Cache, wrap: Any, one: Any, same: Any, other: Any
) -> None:
    cache.cached()(wrap(one))
    cache.cached()(wrap(same))
    with pytest.raises(ValueError, match="pass `key`"):
        cache.cached()(wrap(other))


async def test_functions_whose_wrapper_drops_their_names_are_told_apart(cache: Cache) -> None:
    cache.cached()(wrapped(loader_of(1)))
    with pytest.raises(ValueError, match="pass `key`"):
        cache.cached()(wrapped(other_loader))


async def test_a_cell_that_runs_again_replaces_its_function(cache: Cache) -> None:
    for version, cell in enumerate(("/tmp/ipykernel_1/11.py", "/tmp/ipykernel_1/22.py")):
        code = f"async def stats() -> int: return {version}"
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(code, cell, "exec"), names)
        cache.cached()(names["stats"])
        cache.cached()(wrapped(names["stats"]))
        cache.cached()(wrapped_by_name(names["stats"]))

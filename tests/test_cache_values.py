"""Test what can be stored, for how long, and that a miss and a hit return the same."""

import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pydantic
import pytest
from redis.asyncio import Redis

from course_lib.cache import Cache, JsonCodec
from course_lib.lab import redis_server
from tests.conftest import empty_client

pytestmark = pytest.mark.anyio


class Color(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    color: Color


class Account(pydantic.BaseModel):
    user_name: str = pydantic.Field(alias="userName")


class Report(pydantic.BaseModel):
    total: int = pydantic.Field(serialization_alias="sum")


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    async with empty_client(own_server) as client:
        yield client


@pytest.fixture
def cache(redis: Redis) -> Cache:
    return Cache(redis, jitter=0)


async def look_up(cache: Cache, value: Any, key: str = "key", **options: Any) -> Any:
    """Return what `get_or_set` returns if `value` is what the loader does."""

    async def load() -> Any:
        return value

    return await cache.get_or_set(key, load, **options)


@pytest.mark.parametrize(
    ("value", "comes_back"),
    [
        (
            datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.UTC),
            "2026-01-02T03:04:05.000006+00:00",
        ),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.time(3, 4), "03:04:00"),
        (datetime.timedelta(minutes=1.5), 90.0),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=3), "00000000-0000-0000-0000-000000000003"),
        ([Color.RED, (1,)], ["red", [1]]),
        (Point(1, Color.RED), {"x": 1, "color": "red"}),
        (Person(name="Zoë", born=datetime.date(2000, 1, 2)), {"name": "Zoë", "born": "2000-01-02"}),
        ({"people": [Point(1, Color.RED)]}, {"people": [{"x": 1, "color": "red"}]}),
    ],
)
async def test_values_beyond_json_come_back_in_their_documented_form(
    cache: Cache, value: Any, comes_back: Any
) -> None:
    assert [await look_up(cache, value) for _ in range(2)] == [comes_back] * 2
    await cache.set("set", value)
    assert await cache.get("set") == comes_back


async def test_a_model_can_be_restored_from_what_comes_back(cache: Cache) -> None:
    person = Person(name="Zoë", born=datetime.date(2000, 1, 2))
    assert Person.model_validate(await look_up(cache, person)) == person
    account = Account(userName="zoe")
    assert await look_up(cache, account, "alias") == {"userName": "zoe"}
    assert Account.model_validate(await cache.get("alias")) == account
    report = Report(total=3)  # which doesn't read the name that it writes
    assert Report.model_validate(await look_up(cache, report, "one way")) == report


async def test_the_keys_of_a_dict_come_back_as_text_on_a_miss_and_on_a_hit(cache: Cache) -> None:
    value = {1: "a", "2": {True: "b", None: "c"}, 3: "first", "3": "last"}
    comes_back = {"1": "a", "2": {"true": "b", "null": "c"}, "3": "last"}
    assert [await look_up(cache, value) for _ in range(2)] == [comes_back] * 2


@pytest.mark.parametrize(
    "value",
    [{1}, b"x", {(1, 2): 3}, object(), Point, float("nan"), "\ud800"],
)
async def test_a_value_that_json_cannot_express_is_an_error_and_leaves_nothing(
    cache: Cache, redis: Redis, value: Any
) -> None:
    for _ in range(2):
        with pytest.raises((TypeError, ValueError), match="the value of 'key' can't be stored"):
            await look_up(cache, value)
    assert await redis.keys("*") == []


class ReversedText:
    """A codec for text only, whose bytes may begin with any byte."""

    def encode(self, value: str) -> bytes:
        return value.encode("latin-1")[::-1]

    def decode(self, content: bytes) -> str:
        return content[::-1].decode("latin-1")


@pytest.mark.parametrize("value", ["", "abc", "x\0", "twelve bytes\0", "x\1", "x\2", "x\3"])
async def test_another_codec_may_return_any_bytes(redis: Redis, value: str) -> None:
    cache = Cache(redis, codec=ReversedText())
    assert [await look_up(cache, value) for _ in range(2)] == [value] * 2
    await cache.clear()
    assert [await look_up(cache, value, raw=True) for _ in range(2)] == [
        value[::-1].encode("latin-1")
    ] * 2
    assert (cache.loads, cache.hits) == (2, 2)


async def test_json_that_is_ready_is_stored_as_it_is(cache: Cache) -> None:
    ready = b'{"a": [1, 2.50]}'
    assert [await look_up(cache, ready, raw=True) for _ in range(2)] == [ready] * 2
    assert await cache.get("key") == json.loads(ready)
    await cache.set("set", ready, raw=True)
    assert await look_up(cache, None, "set", raw=True) == ready


async def test_bytes_that_are_not_json_are_not_stored_as_ready_json(cache: Cache) -> None:
    for content in (b"no json", b"\x80\x04K\x07.", b"NaN", b""):
        with pytest.raises(ValueError, match="can't be stored as JSON"):
            await cache.set("key", content, raw=True)
        with pytest.raises(ValueError, match="can't be stored as JSON"):
            await look_up(cache, content, raw=True)
    assert await cache.get("key") is None


async def test_names_that_utf8_cannot_encode_are_an_error_that_says_so(
    cache: Cache, redis: Redis
) -> None:
    half = "half \ud83d"
    for call in (cache.get(half), cache.set(half, 1), cache.delete(half), look_up(cache, 1, half)):
        with pytest.raises(ValueError, match=r"key .* has half of a surrogate pair"):
            await call
    for call in (cache.set("key", 1, user_id=half), cache.invalidate_user_cache(half)):
        with pytest.raises(ValueError, match=r"user_id .* has half of a surrogate pair"):
            await call
    with pytest.raises(ValueError, match=r"namespace .* has half of a surrogate pair"):
        Cache(redis, namespace=half)


async def test_a_user_id_can_be_a_uuid(cache: Cache) -> None:
    user = uuid.UUID(int=7)
    await cache.set("key", 1, user_id=user)
    assert await cache.invalidate_user_cache(user) == 1


async def test_a_set_with_a_wrong_user_changes_nothing(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    await cache.set("key", "kept")
    with pytest.raises(TypeError):
        await cache.set("key", "new", user_id=[7])  # type: ignore[arg-type]
    assert await cache.get("key") == "kept"
    assert not caplog.records


async def test_clients_with_another_encoding_share_entries(
    own_server: redis_server.RedisServer, cache: Cache
) -> None:
    other = Redis.from_url(own_server.url, encoding="latin-1", decode_responses=True)
    await Cache(other).set("é ☃", "☃", user_id="é")
    assert await cache.get("é ☃") == "☃"
    assert await cache.invalidate_user_cache("é") == 1
    await other.aclose()


# --- TTLs -----------------------------------------------------------------------------------------


async def test_a_ttl_can_be_a_timedelta_or_a_function_of_the_value(
    cache: Cache, redis: Redis
) -> None:
    minute = datetime.timedelta(minutes=1)
    for ttl in (minute, lambda value: 60 if value == "x" else 1, lambda _: minute):
        await cache.set("set", "x", ttl)
        await cache.delete("loaded")
        await look_up(cache, "x", "loaded", ttl=ttl)
        for key in ("set", "loaded"):
            assert 59_000 < await redis.pttl(f"{{cache}}:entry:{key}") <= 60_000
    assert Cache(redis, ttl=minute).ttl == minute


@pytest.mark.parametrize("ttl", [lambda _: None, lambda _: 0, lambda _: datetime.timedelta(0)])
async def test_a_function_can_decide_not_to_store_a_value(
    cache: Cache, redis: Redis, ttl: Any
) -> None:
    assert [await look_up(cache, "loaded", ttl=ttl) for _ in range(2)] == ["loaded"] * 2
    assert await redis.keys("*") == []
    await cache.set("key", "old")
    await cache.set("key", "not to be stored", ttl)
    assert await cache.get("key", "nothing") == "nothing"


@pytest.mark.parametrize("ttl", [datetime.timedelta(0), lambda _: -1, lambda _: "60"])
async def test_a_wrong_ttl_is_an_error_and_leaves_nothing(
    cache: Cache, redis: Redis, ttl: Any
) -> None:
    with pytest.raises((TypeError, ValueError), match="ttl"):
        await look_up(cache, 1, ttl=ttl)
    assert await redis.keys("*") == []


class TextCodec(JsonCodec):
    """A codec that forgets to encode its text."""

    def encode(self, value: Any) -> Any:
        return super().encode(value).decode()


class AsyncCodec(JsonCodec):
    async def encode(self, value: Any) -> bytes:  # type: ignore[override]
        return b""


async def test_a_codec_with_an_async_method_is_refused(redis: Redis) -> None:
    with pytest.raises(TypeError, match="encode must not be async"):
        Cache(redis, codec=AsyncCodec())


async def test_a_codec_that_returns_no_bytes_is_named(redis: Redis) -> None:
    cache = Cache(redis, codec=TextCodec())
    with pytest.raises(TypeError, match=r"'key' can't be stored as .*: encode returned str"):
        await cache.set("key", 1)

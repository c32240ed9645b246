"""Test that a cached endpoint responds as it would without the cache, on a miss and on a hit."""

import dataclasses
import datetime
import decimal
import typing
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pydantic
import pytest
from fastapi import FastAPI
from pydantic import Field
from pydantic.alias_generators import to_camel
from redis.asyncio import Redis

from course_lib.cache import Cache
from course_lib.lab import redis_server
from tests.conftest import empty_client

pytestmark = pytest.mark.anyio

Item = typing.TypeVar("Item")


class Written(pydantic.BaseModel):
    """Writes userId, and reads user_id."""

    user_id: int = Field(serialization_alias="userId")


class Aliased(pydantic.BaseModel):
    """Writes and reads userId."""

    user_id: int = Field(alias="userId")


class TwoNames(pydantic.BaseModel):
    """Writes userId, and reads uid."""

    user_id: int = Field(serialization_alias="userId", validation_alias="uid")


class Choices(pydantic.BaseModel):
    user_id: int = Field(validation_alias=pydantic.AliasChoices("uid", "user"))


class ByName(pydantic.BaseModel, populate_by_name=True, alias_generator=to_camel):
    user_id: int
    one_more: Written


class Mixed(pydantic.BaseModel):
    written: Written
    aliased: Aliased
    two_names: list[TwoNames]
    by_key: dict[str, Written | Aliased]
    either: tuple[Written, Aliased | None]


class Tree(pydantic.BaseModel):
    user_id: int = Field(serialization_alias="userId")
    below: list["Tree"] = []


class Page(pydantic.BaseModel, typing.Generic[Item]):
    items: list[Item]


class All(pydantic.RootModel[list[Written]]):
    pass


class Square(pydantic.BaseModel):
    side: int

    @pydantic.computed_field(alias="theArea")  # type: ignore[prop-decorator]
    @property
    def area(self) -> int:
        return self.side**2


class StrictSquare(Square, extra="forbid"):
    pass


class OpenSquare(Square, extra="allow"):
    pass


class Squares(pydantic.BaseModel):
    squares: list[StrictSquare]


@pydantic.dataclasses.dataclass
class AliasedData:
    user_id: int = Field(alias="userId")


@dataclasses.dataclass
class Data:
    written: Written
    aliased: AliasedData


class Cat(pydantic.BaseModel):
    kind: typing.Literal["cat"] = "cat"
    lives: int


class Dog(pydantic.BaseModel):
    kind: typing.Literal["dog"] = "dog"
    tricks: frozenset[str]


class Home(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    password: pydantic.SecretStr
    at: datetime.datetime
    cleaned_every: datetime.timedelta
    number: uuid.UUID
    rent: decimal.Decimal
    rooms: int = 2**70
    by_day: dict[datetime.date, bytes] = {}


class Hidden(pydantic.BaseModel):
    password: str = Field(exclude=True)


class Strict(pydantic.BaseModel, strict=True):
    at: datetime.date = datetime.date(2026, 1, 2)


class Priced(pydantic.BaseModel):
    price: float

    @pydantic.field_serializer("price")
    def with_currency(self, price: float) -> str:
        return f"{price} EUR"


class Taxed(pydantic.BaseModel):
    price: int

    @pydantic.field_validator("price")
    @classmethod
    def add_tax(cls, price: int) -> int:
        return price + 1


WRITTEN, ALIASED = Written(user_id=1), Aliased(userId=2)
HOME = Home(
    pet=Dog(tricks=frozenset({"sit"})),
    password=pydantic.SecretStr("x"),
    at=datetime.datetime(2026, 1, 2, 3, 4, 5, 6, datetime.timezone(datetime.timedelta(hours=2))),
    cleaned_every=datetime.timedelta(days=1, microseconds=3),
    number=uuid.UUID(int=1),
    rent=decimal.Decimal("1.10"),
    by_day={datetime.date(2026, 1, 2): b"x"},
)
RESPONSES: list[tuple[Any, Any]] = [
    (Written, WRITTEN),
    (Page[Written], Page[Written](items=[WRITTEN])),
    (list[Aliased | Written], [WRITTEN, ALIASED]),
    (TwoNames, TwoNames(uid=1)),
    (Choices, Choices(uid=1)),
    (ByName, ByName(user_id=1, one_more=WRITTEN)),
    (
        Mixed,
        Mixed(
            written=WRITTEN,
            aliased=ALIASED,
            two_names=[TwoNames(uid=3)],
            by_key={"a": WRITTEN, "b": ALIASED},
            either=(WRITTEN, ALIASED),
        ),
    ),
    (Tree, Tree(user_id=1, below=[Tree(user_id=2, below=[Tree(user_id=3)])])),
    (All, All([WRITTEN])),
    (Square, Square(side=2)),
    (StrictSquare, StrictSquare(side=2)),
    (Squares, Squares(squares=[StrictSquare(side=2)])),
    (OpenSquare, OpenSquare(side=2, color="red")),
    (AliasedData, AliasedData(userId=1)),
    (Data, Data(WRITTEN, AliasedData(userId=1))),
    (Home, HOME),
    (dict[str, Page[Cat]], {"cats": Page[Cat](items=[Cat(lives=9)])}),
    (None, None),
]


@pytest.fixture
async def redis(own_server: redis_server.RedisServer) -> AsyncIterator[Redis]:
    async with empty_client(own_server) as client:
        yield client


@pytest.mark.parametrize(("model", "value"), RESPONSES)
async def test_a_response_is_the_same_without_the_cache_on_a_miss_and_on_a_hit(
    redis: Redis, model: Any, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache, app = Cache(redis), FastAPI()

    async def read() -> Any:
        return value

    app.get("/plain", response_model=model)(read)
    app.get("/cached", response_model=model)(cache.cached()(read))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        plain, miss, hit = [await client.get(path) for path in ("/plain", "/cached", "/cached")]
    assert plain.status_code == 200
    assert (miss.text, hit.text) == (plain.text, plain.text)
    assert cache.loads == 1
    assert not caplog.records


@pytest.mark.parametrize(
    ("value", "loss"),
    [
        (Hidden(password="x"), "password (missing)"),
        (Strict(), "at (date_type)"),
        (Priced(price=1.5), "price (float_parsing)"),
        (Taxed(price=1), "read from the cache: price"),
    ],
)
async def test_a_model_that_is_not_the_same_when_it_is_read_is_logged_once(
    redis: Redis, value: Any, loss: str, caplog: pytest.LogCaptureFixture
) -> None:
    @Cache(redis).cached()
    async def read(number: int) -> Any:
        return [value]

    for number in range(2):
        assert await read(number) == [value.model_dump(mode="json")]
    (record,) = caplog.records
    assert "can't be FastAPI's response model here" in record.message
    assert loss in record.message

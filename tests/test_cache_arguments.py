"""Test that different arguments have different keys, and that equal ones share a key."""

import dataclasses
import datetime
import enum
import itertools
import logging
import typing
import uuid
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import httpx
import pydantic
import pytest
from fastapi import Depends, FastAPI, Header
from hypothesis import given
from hypothesis import strategies as st

from course_lib import redis_client
from course_lib.cache import Cache
from course_lib.cache.argument_text import argument_text
from course_lib.lab import redis_server
from tests.conftest import PATIENT, empty_client
from tests.fuzzing import fuzz

UTC = datetime.UTC
AT_ONE = datetime.datetime(2026, 1, 1, 1)
EAST = datetime.timezone(datetime.timedelta(hours=1))
BERLIN = ZoneInfo("Europe/Berlin")


class Color(enum.Enum):
    RED = "red"


class Paint(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    ONE = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Name(typing.NamedTuple):
    name: str


class Text(str):
    __slots__ = ()


class Items(list[int]):
    """A list with an attribute of its own."""

    def __init__(self, total: int) -> None:
        super().__init__([1])
        self.total = total


@dataclasses.dataclass
class Cat:
    name: Any


class Dogs:
    """The class in it has the same fields as the one above, and the same name."""

    @dataclasses.dataclass
    class Cat:
        name: Any


class Holder(pydantic.BaseModel):
    value: Any = None


class Other(pydantic.BaseModel):
    value: Any = None


class Base(pydantic.BaseModel):
    base: pydantic.BaseModel


class Hidden(pydantic.BaseModel):
    password: str = pydantic.Field(exclude=True)


class Rounded(pydantic.BaseModel):
    price: float

    @pydantic.field_serializer("price")
    def rounded(self, price: float) -> int:
        return round(price)


class Open(pydantic.BaseModel, extra="allow"):
    pass


class Private(pydantic.BaseModel):
    _secret: int = pydantic.PrivateAttr(1)


class Root(pydantic.RootModel[int]):
    pass


class Login(pydantic.BaseModel):
    password: pydantic.SecretStr


def private(secret: int) -> Private:
    model = Private()
    model._secret = secret
    return model


SCALARS: list[Any] = [
    *[1, True, 1.0, "1", b"1", 1j, Decimal(1), Decimal("1.0"), Fraction(1), Text("1"), Level.ONE],
    *[0, False, 0.0, -0.0, None, "None", "null", "", b"", float("nan"), float("inf"), "inf"],
    *[2**53, 2**53 + 1, 2.0**53, "\0", "\ud800", "\ud801", "\\ud800", "a', b='"],
    *[
        Color.RED,
        Paint.RED,
        "red",
        Rights.READ,
        Rights.WRITE,
        Rights.READ | Rights.WRITE,
        Rights(0),
    ],
    *[AT_ONE, AT_ONE.replace(tzinfo=UTC), AT_ONE.replace(tzinfo=EAST), AT_ONE.isoformat()],
    *[AT_ONE.replace(tzinfo=BERLIN), AT_ONE.date(), AT_ONE.time(), datetime.time(1, tzinfo=UTC)],
    *[datetime.time(1, tzinfo=BERLIN), datetime.timedelta(0, 1), 60.0],
    *[UTC, EAST, datetime.timezone(datetime.timedelta(hours=1), "UTC"), BERLIN, "Europe/Berlin"],
    *[datetime.timedelta(9_000_000, 0, 1), datetime.timedelta(9_000_000, 0, 2)],
    *[uuid.UUID(int=1), str(uuid.UUID(int=1)), PurePosixPath("1"), IPv4Address(1), "0.0.0.1"],
    *[int, Cat, Dogs.Cat, pydantic.AnyUrl("http://a/"), "http://a/"],
]
COLLECTIONS: list[Any] = [
    *[(), [], {}, set(), frozenset(), (1,), [1], {1}, frozenset({1}), "[1]", [True], ["1"], [1.0]],
    *[[1, 2], [2, 1], [[1], 2], [1, [2]], Name("Tom"), ("Tom",), ["Tom"]],
    *[{1: "x"}, {"1": "x"}, {True: "x"}, {"true": "x"}, {None: "x"}, {"null": "x"}, {1.0: "x"}],
    *[{(1, 2): "x"}, {Color.RED: "x"}, {"red": "x"}, {"a": {1: 2}}, {"a": {"1": 2}}],
    *[OrderedDict({1: "x"}), {1: "a", "1": "b"}, {1: "b", "1": "a"}, {"Decimal": "1"}],
    *[Items(1), Items(2), ["a", "b"], ["a','b"], [PurePosixPath("a"), PurePosixPath("b")]],
    [PurePosixPath("a'),pathlib.PurePosixPath('b")],
]
OBJECTS: list[Any] = [
    *[Cat("Tom"), Dogs.Cat("Tom"), {"name": "Tom"}, {"Cat": {"name": "Tom"}}, Cat(Cat("Tom"))],
    *[Cat(Dogs.Cat("Tom")), Cat({"name": "Tom"}), Cat(1), Cat("1")],
    *[
        Holder(),
        Holder(value=None),
        Other(),
        *[Holder(value=value) for value in (1, "1", b"1", 1.0)],
    ],
    *[Holder(value=[1]), Holder(value=(1,)), Holder(value={1: 1}), Holder(value={"1": 1})],
    *[Holder(value=AT_ONE), Holder(value=AT_ONE.isoformat()), Holder(value={"value": None})],
    *[
        Holder(value=Holder()),
        Holder(value=Other()),
        Base(base=Holder(value=1)),
        Base(base=Other(value=1)),
    ],
    *[Base(base=Other(value=2)), Hidden(password="a"), Hidden(password="b")],
    *[Rounded(price=1.1), Rounded(price=1.2), Open(), Open(a=1), Open(a="1"), Open(**{"a=1,b": 1})],
    *[private(1), private(2), Root(1), Login(password="a"), Login(password="b")],
]


def test_no_two_arguments_that_differ_have_the_same_text() -> None:
    texts: dict[str, Any] = {}
    for value in [*SCALARS, *COLLECTIONS, *OBJECTS]:
        text = argument_text(value)
        assert text not in texts, f"{value!r} shares a key with {texts[text]!r}: {text}"
        texts[text] = value
    assert len(texts) > 130


def differ(one: Any, other: Any) -> bool:
    """Return True for different values, and for equal ones of different types, such as 1 and 1.0.

    `repr` tells the values below apart.
    """
    return repr(one) != repr(other)


SCALAR_VALUES = (
    st.sampled_from([None, True, False, 0, 1, 0.0, 1.0, -0.0, b"1", Color.RED, Level.ONE])
    | st.text("ab1',:=()\"\\", max_size=4)
    | st.integers(-2, 2)
)
VALUES = st.recursive(
    SCALAR_VALUES,
    lambda values: (
        st.lists(values, max_size=3)
        | st.lists(values, max_size=3).map(tuple)
        | st.dictionaries(SCALAR_VALUES, values, max_size=3)
        | st.builds(Cat, values)
        | st.builds(Dogs.Cat, values)
        | st.builds(Holder, value=values)
    ),
    max_leaves=4,
)


@fuzz(examples=300)
@given(st.lists(VALUES, min_size=2, max_size=30))
def test_no_two_values_that_differ_have_the_same_text(values: list[Any]) -> None:
    known: dict[str, Any] = {}
    for value in values:
        other = known.setdefault(argument_text(value), value)
        assert not differ(value, other), f"{value!r} shares a key with {other!r}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a", "b", "c", "d"}, {"d", "c", "b", "a"}),
        (frozenset({1, "1", None}), frozenset({None, "1", 1})),
        (datetime.timedelta(minutes=1), datetime.timedelta(seconds=60)),
        (Cat([1, {2}]), Cat([1, {2}])),
        (Holder(value=Cat("Tom")), Holder(value=Cat("Tom"))),
        (Rights.READ | Rights.WRITE, Rights.WRITE | Rights.READ),
        (IPv4Address("0.0.0.1"), IPv4Address(1)),
    ],
)
def test_equal_arguments_of_one_type_have_the_same_text(one: Any, other: Any) -> None:
    assert argument_text(one) == argument_text(other)


def test_a_secret_is_in_no_text() -> None:
    assert "hunter2" not in argument_text(Login(password="hunter2"))


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.anyio
@pytest.mark.parametrize(
    "value",
    [
        *[object(), [object()], Cat(object()), len, iter([1]), bytearray(1), endless()],
        *[Holder(value=object()), Rounded.model_construct(), memoryview(b"")],
        pytest.param(10**5_000, id="an int of 5,000 digits"),
    ],
)
async def test_an_argument_whose_content_is_not_known_is_an_error_at_the_first_call(
    value: Any,
) -> None:
    cache = Cache(redis_client.connect("unix:///no/such/socket"))

    @cache.cached()
    async def read(value: Any) -> int:
        return 1

    with pytest.raises(TypeError, match=r"read can't have its argument 'value' in a key, because"):
        await read(value)


# --- Dependencies ---------------------------------------------------------------------------------


class Admin:
    def __init__(self, number: int) -> None:
        self.number = number


class Guest(Admin):
    pass


class Team:
    def __init__(self, number: int) -> None:
        self.lead = Admin(number)

    @property
    def number(self) -> int:
        return self.lead.number


class Column:
    """Stands for what SQLAlchemy adds to a mapped class: the names of its columns."""

    @staticmethod
    def keys() -> list[str]:
        return ["number"]


class Row:
    """A row whose attributes aren't loaded yet, so that its `__dict__` has none of them."""

    class __mapper__:  # noqa: N801
        column_attrs = Column

    def __init__(self, number: int) -> None:
        self._sa_instance_state = object(), number

    @property
    def number(self) -> int:
        return self._sa_instance_state[1]


KINDS = {"admin": Admin, "guest": Guest, "team": Team, "row": Row, "model": Root, "cat": Cat}


def actor(x_kind: Annotated[str, Header()], x_number: Annotated[int, Header()]) -> Any:
    return KINDS[x_kind](x_number)


@pytest.mark.anyio
async def test_each_object_that_a_dependency_returns_has_entries_of_its_own(
    own_server: redis_server.RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with empty_client(own_server) as redis:
        cache, app = Cache(redis), FastAPI()

        @app.get("/")
        @cache.cached()
        async def who(actor: Annotated[Any, Depends(actor)]) -> str:
            return f"{type(actor).__name__} {getattr(actor, 'number', actor)}"

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = set()
            for _ in range(2):
                for kind, number in itertools.product(KINDS, "12"):
                    headers = {"X-Kind": kind, "X-Number": number}
                    answers.add((await client.get("/", headers=headers)).text)
        assert len(answers) == cache.loads == 12
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


# --- Functions of one name ------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize(
    "other", [["b"], {"a": 2}, {"a"}, Cat(["b"]), Holder(value=["b"]), Admin(1), Team(1)]
)
async def test_functions_around_other_values_are_refused(other: Any) -> None:
    redis = redis_client.connect("unix:///no/such/socket", time_limit=PATIENT)

    def counter_of(tables: Any, cache: Cache) -> None:
        @cache.cached()
        async def count() -> int:
            return len(tables)

    for cache in (Cache(redis), Cache(redis), Cache(redis, namespace="other")):
        counter_of(["a"], cache)
    counter_of(other, Cache(redis, namespace="third"))
    with pytest.raises(ValueError, match="other values of the variable 'tables'"):
        counter_of(other, Cache(redis))


@pytest.mark.anyio
async def test_a_list_that_has_grown_is_still_the_same_variable() -> None:
    cache = Cache(redis_client.connect("unix:///no/such/socket"))
    calls: list[int] = []

    def counted() -> Any:
        @cache.cached()
        async def count() -> None:
            calls.append(1)

        return count

    await counted()()
    counted()
    assert calls == [1]


class Table:
    def __init__(self, name: str, cache: Cache) -> None:
        self.name = name

        @cache.cached()
        async def first_row() -> str:
            return self.name

        self.first_row = first_row


@pytest.mark.anyio
async def test_functions_of_objects_with_other_attributes_are_refused() -> None:
    cache = Cache(redis_client.connect("unix:///no/such/socket"))
    for _ in range(2):
        Table("users", cache)
    with pytest.raises(ValueError, match="other values of the variable 'self'"):
        Table("events", cache)

"""Stand-ins that a check passes to an answer, and that record how the answer used them."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

T = TypeVar("T")


class RecordingLoader:
    """A loader with a value for each user; records which users it was called for."""

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values
        self.called: list[Any] = []

    async def __call__(self, user_id: int) -> Any:
        """Return the value of a user."""
        self.called.append(user_id)
        return self.values.get(user_id)

    def __repr__(self) -> str:
        return "load"


class NamedFunction:
    """A function with a name to show to the learner; its copy is itself."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name, self._function = name, function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    def __repr__(self) -> str:
        return self._name

    def __deepcopy__(self, _: object) -> Self:
        return self


class UncopiedList(list[T]):
    """A list that reaches the answer itself, not as a copy, so that a change to it is seen."""

    def __deepcopy__(self, _: object) -> Self:
        return self

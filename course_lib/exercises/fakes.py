"""Stand-ins for what an answer is handed."""

from collections.abc import Callable
from typing import Any, Self


class Loads:
    """A loader that knows a value for each user, and notes for whom it was called."""

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values
        self.called: list[Any] = []

    async def __call__(self, user_id: int) -> Any:
        """The value of a user."""
        self.called.append(user_id)
        return self.values.get(user_id)

    def __repr__(self) -> str:
        return "load"


class NamedFunction:
    """A function with a name that a check can show; a copy is the same."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name, self._function = name, function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    def __repr__(self) -> str:
        return self._name

    def __deepcopy__(self, _: object) -> "NamedFunction":
        return self


class KeptList(list[float]):
    """A list that is handed on as it is, so that a change is seen."""

    def __deepcopy__(self, _: object) -> Self:
        return self

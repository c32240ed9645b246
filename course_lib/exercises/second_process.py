"""A copy of an answer as another process would have it: the same code, variables of its own."""

import copy
import types
from collections.abc import Callable
from typing import Any

Function = Callable[..., Any]


def in_another_process(answer: Function) -> Function:
    """Return a copy of an answer that shares no variable with it.

    The variables are the module's, those of functions around it, and defaults of arguments. A
    variable that can't be copied is shared.
    """
    if not isinstance(answer, types.FunctionType):
        copied: Function = _copy(answer)
        return copied
    own: dict[str, Any] = dict(answer.__globals__)
    _copy_names(answer.__code__, own)
    return _with_globals(answer, own)


def _copy_names(code: types.CodeType, own: dict[str, Any]) -> None:
    """Replace the variables that a function uses, and those its helpers use, by copies."""
    original = dict(own)
    seen: set[str] = set()
    waiting = list(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            waiting += part.co_names
    while waiting:
        name = waiting.pop()
        if name in seen or name not in original:
            continue
        seen.add(name)
        value = original[name]
        if isinstance(value, types.FunctionType) and name in value.__globals__:
            own[name] = _with_globals(value, own)
            waiting += value.__code__.co_names
        else:
            own[name] = _copy(value)


def _with_globals(function: types.FunctionType, own: dict[str, Any]) -> types.FunctionType:
    cells = []
    for cell in function.__closure__ or ():
        content = _copy(cell.cell_contents)
        cells.append(types.CellType(content))
    defaults = _copy(function.__defaults__)
    new = types.FunctionType(function.__code__, own, function.__name__, defaults, tuple(cells))
    new.__kwdefaults__ = _copy(function.__kwdefaults__)
    return new


def _copy(value: Any) -> Any:
    if isinstance(value, types.ModuleType | type):
        return value
    try:
        return copy.deepcopy(value)
    except Exception:
        return value

"""Look behind partials, callable objects and wrappers: at the function, and its signature."""

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any


def typed_signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return a signature with annotations that are text evaluated, each if it can be.

    One may have a name that only a type checker imports. FastAPI reads the others all the same.
    """
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:  # an annotation may raise anything
        signature = inspect.signature(function)
    names = getattr(inspect.unwrap(function_behind(function)), "__globals__", {})

    def evaluated(annotation: Any) -> Any:
        if isinstance(annotation, str):
            with contextlib.suppress(Exception):
                return eval(annotation, names)
        return annotation

    parameters = [
        parameter.replace(annotation=evaluated(parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    return_annotation = evaluated(signature.return_annotation)
    return signature.replace(parameters=parameters, return_annotation=return_annotation)


def function_behind(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function or method behind partials and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    is_function = inspect.isfunction(function) or inspect.ismethod(function)
    return function if is_function else type(function).__call__

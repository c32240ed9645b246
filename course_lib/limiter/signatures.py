"""Find what FastAPI passes in the signatures of endpoints, and add parameters to them."""

import functools
import inspect
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

from course_lib.callables import function_behind

Endpoint = Callable[..., Any]

Kind = Enum("Kind", ["PLAIN", "COROUTINE", "GENERATOR", "ASYNC_GENERATOR"])
"""The kinds of endpoints, by what a call returns."""


def with_parameters(
    signature: inspect.Signature, added: Mapping[str, type], **defaults: Any
) -> inspect.Signature:
    """Return a signature with keyword-only parameters added: types by name, and defaults."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = list(signature.parameters.values())
    for name, kind in added.items():
        parameters.append(inspect.Parameter(name, keyword, annotation=kind))
    for name, default in defaults.items():
        parameters.append(inspect.Parameter(name, keyword, default=default))
    parameters.sort(key=lambda parameter: parameter.kind)
    return signature.replace(parameters=parameters)


def unused_name(signature: inspect.Signature, name: str) -> str:
    """Return a name for a parameter that the endpoint doesn't have."""
    while name in signature.parameters:
        name = f"_{name}"
    return name


def find_parameter(signature: inspect.Signature, kind: type) -> str | None:
    """Return the name of the parameter of this type, None if there is none.

    FastAPI also passes it for a subclass, and for a type in Annotated.
    """
    for parameter in signature.parameters.values():
        annotation = parameter.annotation
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        if isinstance(annotation, type) and issubclass(annotation, kind):
            return parameter.name
    return None


def kind_of(function: Endpoint) -> Kind:
    """Return what calling a function returns; that of the function inside if it's a wrapper."""
    for candidate in (function, inspect.unwrap(function)):
        call = function_behind(candidate)
        if inspect.iscoroutinefunction(call):
            return Kind.COROUTINE
        if inspect.isasyncgenfunction(call):
            return Kind.ASYNC_GENERATOR
        if inspect.isgeneratorfunction(call):
            return Kind.GENERATOR
    return Kind.PLAIN


def name_of(function: Endpoint) -> str:
    """Return the module and name of a function, or of the class of an object."""
    while isinstance(function, functools.partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"

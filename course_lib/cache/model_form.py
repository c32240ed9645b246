"""Return the JSON form of Pydantic models, under names and without fields that they can't read.

FastAPI reads a response model from the JSON of the cache. A model writes a field by its alias, but
may read it only by its name, or by another alias:

    user_id: int = Field(serialization_alias="userId")  # written as "userId", read as "user_id"

Each model that a value contains is treated by its own rules, because they may differ.
"""

import dataclasses
from collections.abc import Collection
from functools import lru_cache
from typing import Any


def is_model(value: Any) -> bool:
    """Return True for a Pydantic model, without importing Pydantic."""
    return hasattr(value, "model_dump") and not isinstance(value, type)


def model_form(model: Any) -> Any:
    """Return a model's JSON form, in which it and the models in it can read each field."""
    form = model.model_dump(mode="json", by_alias=False)
    is_plain = _is_plain(type(model))  # type: ignore[arg-type]
    return form if is_plain else _readable(form, model)


def loss_when_read(model: Any) -> str | None:
    """Return what a model that's read from its form writes otherwise, None if it's the same.

    A field may be excluded, have another form, or have a validator that changes it each time. The
    text has no values, because they may be secret.
    """
    form = model_form(model)
    try:
        again = model_form(type(model).model_validate(form))
    except Exception as error:  # of a validator, which may raise anything
        parts: list[Any] = getattr(error, "errors", list)()  # of Pydantic
        fields = [f"{'.'.join(map(str, part['loc']))} ({part['type']})" for part in parts]
        return ", ".join(fields) or type(error).__name__
    if again == form:
        return None
    if not isinstance(form, dict) or not isinstance(again, dict):
        return "its value"
    return ", ".join(str(name) for name in form | again if form.get(name) != again.get(name))


def readable_names(kind: Any) -> dict[str, str]:
    """Return the name to write each field of a Pydantic class by: its alias if that can be read."""
    config = _config(kind)
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    names = {}
    for name, field in _fields(kind).items():
        alias = getattr(field, "serialization_alias", None) or name
        readable = _aliases(getattr(field, "validation_alias", None)) or [name]
        if by_name:
            readable.append(name)
        if alias not in readable:
            alias = name if name in readable else readable[0]
        names[name] = alias
    return names


@lru_cache(maxsize=1_000)
def _is_plain(kind: Any) -> bool:
    """Return True if a class and those of its fields have neither aliases nor computed fields.

    Most don't, and then Pydantic's own form is right, which takes a fraction of the time.
    """
    schema = getattr(kind, "__pydantic_core_schema__", None)
    if not isinstance(schema, dict):  # it isn't built yet
        return False
    text = repr(schema)
    return not any(word in text for word in ("_alias'", "'computed-field'", "'any'"))


def _readable(form: Any, value: Any) -> Any:
    """Rename the fields in the form of a value, which may be or contain models."""
    if getattr(value, "__pydantic_root_model__", False):
        return _readable(form, value.root)
    if isinstance(form, dict) and isinstance(value, dict):
        parts = zip(form.items(), value.values(), strict=False)
        return {name: _readable(part, original) for (name, part), original in parts}
    if isinstance(form, list) and isinstance(value, Collection):
        return [_readable(*parts) for parts in zip(form, value, strict=False)]
    if isinstance(form, dict) and (is_model(value) or dataclasses.is_dataclass(value)):
        return _readable_fields(form, value)
    return form


def _readable_fields(form: dict[str, Any], model: Any) -> dict[str, Any]:
    names = readable_names(type(model))
    decorators = getattr(type(model), "__pydantic_decorators__", None)
    computed = decorators.computed_fields if decorators else {}
    reads_unknown_names = _config(type(model)).get("extra", "ignore") != "ignore"
    renamed = {}
    for name, part in form.items():
        if name not in computed:
            renamed[names.get(name, name)] = _readable(part, getattr(model, name, None))
        elif not reads_unknown_names:  # it would be rejected, or written twice
            renamed[computed[name].info.alias or name] = part
    return renamed


def _fields(kind: Any) -> dict[str, Any]:
    """Return the fields of a Pydantic model or dataclass; none of a plain dataclass."""
    fields: dict[str, Any] = getattr(kind, "__pydantic_fields__", None) or getattr(
        kind, "model_fields", {}
    )
    return fields


def _config(kind: Any) -> dict[str, Any]:
    config: dict[str, Any] = getattr(kind, "model_config", None) or getattr(
        kind, "__pydantic_config__", {}
    )
    return config


def _aliases(alias: Any) -> list[str]:
    """Return the names in a `validation_alias`, which may be several; none for a path."""
    choices = getattr(alias, "choices", [alias])
    return [choice for choice in choices if isinstance(choice, str)]

"""Frozen dataclasses from the mappings of a YAML file: unknown keys, missing keys and wrong types stop here."""

import dataclasses
import types
import typing


class StudyError(ValueError):
    """A study file or a notebook's parameter is wrong; says which field, its value and what is allowed."""


def require(holds: bool, name: str, value, allowed: str) -> None:
    if not holds:
        raise StudyError(f"{name} is {value!r}, allowed: {allowed}")


def build(kind: type, values, where: str):
    """A dataclass from a mapping: unknown keys, missing keys and wrong types stop here."""
    if not isinstance(values, dict):
        raise StudyError(f"{where} is {values!r}, allowed: a mapping of fields")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for name in values:
        require(name in fields, f"{where}: field", name, ", ".join(fields))
    for name, f in fields.items():
        if name not in values and f.default is f.default_factory is dataclasses.MISSING:
            raise StudyError(f"{where}: field {name} is missing")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def _convert(hint, value, where: str):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    if origin is types.UnionType:
        return None if value is None else _convert(arguments[0], value, where)
    if origin is tuple and arguments[0] is int and type(value) is int:
        value = [value]  # one number will do for a list of one
    if origin is tuple:
        require(isinstance(value, list | tuple), where, value, f"a list of {arguments[0].__name__}")
        return tuple(_convert(arguments[0], item, where) for item in value)
    if origin is dict:
        require(isinstance(value, dict), where, value, "a mapping")
        items = {key: {} if item is None else item for key, item in value.items()}
        return {key: _convert(arguments[1], item, f"{where}.{key}") for key, item in items.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    require(type(value) is hint, where, value, f"a value of type {hint.__name__}")
    return value

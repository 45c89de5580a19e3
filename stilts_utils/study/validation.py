"""Settings that are checked when they are read: unknown keys, missing keys, wrong types and values out of range stop here."""

import re
import types
import typing
from functools import partial
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.dataclasses import dataclass

from stilts_utils.tasks.entry import NAME, NAME_ALLOWED


class StudyError(ValueError):
    """A study file or a notebook's parameter is wrong: names the field, its value and the allowed ones."""


def require_name(name: str, value: str) -> None:
    """Raises StudyError for what is no `Name`."""
    require(re.fullmatch(NAME, str(value)) is not None, name, value, NAME_ALLOWED)


def require(holds: bool, name: str, value, allowed: str) -> None:
    if not holds:
        raise StudyError(f"{name} is {value!r}, allowed: {allowed}")


T = TypeVar("T")
settings = partial(dataclass, frozen=True, config=ConfigDict(extra="forbid"))
# A number in quotes, 2.0 for 2 or 1 for true is a mistake.
Whole = Annotated[int, Field(strict=True)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[Whole, Field(ge=1)]
CountOr0 = Annotated[Whole, Field(ge=0)]
Above0 = Annotated[Real, Field(gt=0)]
AtLeast0 = Annotated[Real, Field(ge=0)]
Share = Annotated[Real, Field(gt=0, lt=1)]
Name = Annotated[str, Field(strict=True, pattern=f"^{NAME}$")]


def _distinct(values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise ValueError("distinct values")
    return values


def _increasing(steps: tuple[int, ...]) -> tuple[int, ...]:
    if len(steps) < 2 or steps[0] != 0 or any(a >= b for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError("optimizer steps from 0 upwards, each larger than the one before")
    return steps


DistinctOrNone = Annotated[tuple[T, ...], AfterValidator(_distinct)]
Distinct = Annotated[tuple[T, ...], Field(min_length=1), AfterValidator(_distinct)]
# Durations in optimizer steps.
Durations = Annotated[tuple[Whole, ...], AfterValidator(_increasing)]
# One number per stage of training; a single number will do for a list of one.
Steps = Annotated[
    tuple[Count, ...],
    BeforeValidator(lambda steps: [steps] if type(steps) is int else steps),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]}),
]


def _by_name(values):
    """A list of names as a mapping; a name with nothing behind it has the defaults."""
    if isinstance(values, list) and all(isinstance(name, str) for name in values):
        _distinct(tuple(values))
        return {name: {} for name in values}
    return (
        {name: {} if value is None else value for name, value in values.items()} if isinstance(values, dict) else values
    )


# Names with settings behind them, or names alone.
Named = Annotated[dict[str, T], BeforeValidator(_by_name)]


# In the words of YAML instead of Python.
KINDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping of names",
    "dataclass_type": "a mapping of fields",
    "too_short": "one or more",
    "string_pattern_mismatch": NAME_ALLOWED,
}


def build(kind: type[T], values, where: str) -> T:
    """Settings from the values of a YAML file. Raises StudyError for the first mistake."""
    if not isinstance(values, dict):
        raise StudyError(f"{where} is {values!r}, allowed: a mapping of fields")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise _refusal(kind, error, where) from error


def _refusal(kind: type, error: ValidationError, where: str) -> StudyError:
    mistake = error.errors(include_url=False)[0]
    path, reason = [str(part) for part in mistake["loc"]], mistake.get("ctx", {}).get("error")
    if isinstance(reason, StudyError):
        return reason
    *parents, last = path
    inside = ": ".join([where, *([".".join(parents)] if parents else [])])
    if mistake["type"] == "missing":
        return StudyError(f"{inside}: field {last} is missing")
    if mistake["type"] == "unexpected_keyword_argument":
        known = typing.get_type_hints(_kind_at(kind, parents))
        return StudyError(f"{inside}: field is {last!r}, allowed: {', '.join(known)}")
    allowed = str(reason or KINDS.get(mistake["type"]) or mistake["msg"].removeprefix("Input should be "))
    return StudyError(f"{where}: {'.'.join(path)} is {mistake['input']!r}, allowed: {allowed}")


def _kind_at(kind: type, path: list[str]) -> type:
    """The class of settings that lies at a path of field names and keys."""
    for part in path:
        kind = typing.get_args(kind)[1] if typing.get_origin(kind) is dict else typing.get_type_hints(kind)[part]
        if typing.get_origin(kind) is types.UnionType:
            kind = typing.get_args(kind)[0]
    return kind

"""Which values a filter means: equality, also of nested parts, and comparisons of numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from omnimemory.core.errors import InvalidRequest

_EQUAL: dict[str, Callable[[object, object], bool]] = {"$eq": operator.eq, "$ne": operator.ne}
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def matches(value: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue] | None) -> bool:
    """Whether every field named in ``wanted`` is as it says; a missing field reads as None.

    A field's condition is a plain value, an object whose own fields must match, or an object of
    operators ``$eq $ne $gt $gte $lt $lte``, all of which must hold. What is no number is neither
    greater nor less than one.

    Raises:
        InvalidRequest: an unknown operator, or a comparison with something that is no number.
    """
    return all(_fits(value.get(key), condition) for key, condition in (wanted or {}).items())


def _fits(value: JsonValue, condition: JsonValue) -> bool:
    if isinstance(condition, dict):
        if any(key.startswith("$") for key in condition):
            return all(_holds(value, name, operand) for name, operand in condition.items())
        return isinstance(value, dict) and all(_fits(value.get(key), part) for key, part in condition.items())
    if isinstance(condition, list):
        return (
            isinstance(value, list)
            and len(value) == len(condition)
            and all(_fits(part, wanted) for part, wanted in zip(value, condition, strict=True))
        )
    return value == condition


def _holds(value: JsonValue, name: str, operand: JsonValue) -> bool:
    if name in _EQUAL:
        return _EQUAL[name](value, operand)
    if name not in _ORDER:
        known = ", ".join((*_EQUAL, *_ORDER))
        raise InvalidRequest(f"unknown filter operator {name!r}; known are {known}")
    limit = _number(operand)
    if limit is None:
        raise InvalidRequest(f"the filter operator {name} compares numbers, got {operand!r}")
    number = _number(value)
    return number is not None and _ORDER[name](number, limit)


def _number(value: JsonValue) -> float | None:
    if not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None

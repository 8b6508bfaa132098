"""What callers hand in, checked before it travels: a refusal names the argument and what it must be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from omnimemory.core.base import describe
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import Metadata
from omnimemory.core.scope import GivenMetadata

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MOST = 1000
_METADATA: TypeAdapter[Metadata] = TypeAdapter(Metadata)
_GIVEN: TypeAdapter[Metadata] = TypeAdapter(GivenMetadata)


def instance(value: object, kind: type[T], name: str) -> T:
    """``value`` when it is a ``kind``."""
    if not isinstance(value, kind):
        raise InvalidRequest(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
    return value


def instances(values: object, kind: type[T], name: str) -> list[T]:
    """The members of a list, each a ``kind``."""
    if isinstance(values, str | bytes | Mapping | kind) or not isinstance(values, Iterable):
        raise InvalidRequest(f"{name} must be a list of {kind.__name__}, got {type(values).__name__}")
    return [instance(value, kind, f"each of {name}") for value in values]


def identifier(value: object, name: str) -> str:
    """The id of a memory or a task: any text, as an unknown one is no mistake in form."""
    text = instance(value, str, name)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise InvalidRequest(f"{name} holds a lone surrogate; pass the id as it was given out") from exc
    return text


def optional_text(value: object, name: str, *, most: int | None = None) -> str | None:
    """Text that says something, or None."""
    if value is None:
        return None
    text = identifier(value, name)
    if not text.strip():
        raise InvalidRequest(f"{name} is blank; leave it out or give it text")
    if most is not None and len(text) > most:
        raise InvalidRequest(f"{name} has {len(text)} characters; at most {most} are allowed")
    return text


def optional_flag(value: object, name: str) -> bool | None:
    return None if value is None else instance(value, bool, name)


def optional_metadata(value: object, name: str) -> Metadata | None:
    """Names with JSON values, or None."""
    if value is None:
        return None
    try:
        return _GIVEN.validate_python(value)
    except ValidationError as exc:
        raise InvalidRequest(f"{name} must map names to JSON values: {describe(exc)}") from exc


def json_objects(values: object, name: str) -> list[Metadata]:
    """A list of JSON objects: names with JSON values."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidRequest(f"{name} must be a list of JSON objects, got {type(values).__name__}")
    found = []
    for position, value in enumerate(values):
        try:
            found.append(_METADATA.validate_python(dict(value) if isinstance(value, Mapping) else value))
        except ValidationError as exc:
            raise InvalidRequest(f"{name}[{position}] must be a JSON object: {describe(exc)}") from exc
    return found


def optional_seconds(value: object, name: str) -> float | None:
    """A length of time, or None for without end."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or value < 0:
        raise InvalidRequest(f"{name} must be seconds, 0 or more, got {value!r}")
    return value


def whole_number(value: object, name: str, *, most: int | None = MOST) -> int:
    """A whole number from 1 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= (most or value):
        limits = "of at least 1" if most is None else f"from 1 to {most}"
        raise InvalidRequest(f"{name} must be a whole number {limits}, got {value!r}")
    return value


def members(kind: type[E], values: object) -> frozenset[E]:
    """The enum members that a caller's words name."""
    try:
        if not isinstance(values, Iterable):
            raise ValueError(f"a list of words is expected, got {values!r}")
        found = frozenset(kind(word) for word in ([values] if isinstance(values, str) else values))
        if not found:
            raise ValueError("nothing asked for")
    except ValueError as exc:
        known = ", ".join(member.value for member in kind)
        raise InvalidRequest(f"{exc}; use {known}") from exc
    return found

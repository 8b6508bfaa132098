"""What the memory of an item says, and by which facets it is found again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import JsonValue

from omnimemory.core.facets import facet
from omnimemory.core.ids import content_hash
from omnimemory.core.scope import Metadata
from omnimemory.core.text import normalised

_KEY = "item_key"
_NAMESPACES = "item_namespaces"
_FIELDS = "item_fields"
_LONGEST_FIELD = 128

_WHOLE = "$"
_STEP = re.compile(r"\[[^\]]*\]|\{[^}]*\}|[^.\[\]{}]+")


def item_text(value: Mapping[str, JsonValue], index: Literal[False] | Sequence[str] | None) -> str:
    """The text by which a value is found, one line for each part; empty where it is not to be found.

    A part that a path names stands by itself, parts of an object with their field's name before them.
    """
    if index is False:
        return ""
    lines: list[str] = []
    for path in (_WHOLE,) if index is None else index:
        steps = [] if path == _WHOLE else _STEP.findall(path)
        for found in _at(dict(value), steps):
            lines += _lines(found, "")
    return _storable("\n".join(lines)).strip()


def text_key(text: str) -> str:
    """The same for texts that recall takes for one: of several such items it returns one memory."""
    return content_hash(normalised(text))


def item_metadata(namespace: Sequence[str], key: str, value: Mapping[str, JsonValue]) -> Metadata:
    """The metadata of an item's memory; its facets say under which prefixes the item lies."""
    prefixes = [_labels(namespace[:depth]) for depth in range(len(namespace) + 1)]
    fields: list[JsonValue] = [
        [_storable(name), _storable(text)]
        for name, text in value.items()
        if isinstance(text, str) and len(text) <= _LONGEST_FIELD
    ]
    return {_KEY: _storable(key), _NAMESPACES: [*prefixes], _FIELDS: fields}


def item_facets(prefix: Sequence[str], wanted: Mapping[str, JsonValue] | None) -> tuple[str, ...]:
    """The facets that the memory of every item below ``prefix`` that ``wanted`` fits has.

    They narrow a search and never lose an item; the filter itself has the last word.
    """
    return (
        facet(_NAMESPACES, _labels(prefix)),
        *(
            facet(_FIELDS, [_storable(name), _storable(text)])
            for name, text in (wanted or {}).items()
            if isinstance(text, str) and len(text) <= _LONGEST_FIELD
        ),
    )


def _labels(namespace: Sequence[str]) -> list[JsonValue]:
    return [_storable(label) for label in namespace]


def _storable(text: str) -> str:
    """Without lone surrogates, which no store takes."""
    return text.encode("utf-8", "replace").decode()


def _at(value: JsonValue, steps: Sequence[str]) -> Iterator[JsonValue]:
    """The parts of a value that a path leads to; one that leads nowhere finds none."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step.startswith("["):
        for member in _members(value, step[1:-1].strip()):
            yield from _at(member, rest)
    elif step.startswith("{"):
        for field in step[1:-1].split(","):
            yield from _at(value, [*_STEP.findall(field.strip()), *rest])
    elif step == "*":
        for member in value.values() if isinstance(value, dict) else _members(value, "*"):
            yield from _at(member, rest)
    elif isinstance(value, dict) and step in value:
        yield from _at(value[step], rest)


def _members(value: JsonValue, position: str) -> list[JsonValue]:
    if not isinstance(value, list):
        return []
    if position == "*":
        return value
    if not re.fullmatch(r"-?\d{1,9}", position):
        return []
    at = int(position)
    return [value[at]] if -len(value) <= at < len(value) else []


def _lines(value: JsonValue, name: str) -> Iterator[str]:
    match value:
        case None:
            return
        case dict():
            for field, part in value.items():
                yield from _lines(part, field)
        case list():
            for part in value:
                yield from _lines(part, name)
        case _:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{name}: {text}" if name else text

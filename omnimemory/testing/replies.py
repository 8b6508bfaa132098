"""What scripted models answer: replies in order, faults on purpose, and sensible defaults."""

from __future__ import annotations

import json
import re
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from omnimemory.models.base import Vectors
from omnimemory.models.json_schema import SCHEMA_MARK

_REST = "*"
TEXT = "text"
"""The name under which requests without a schema are scripted and counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong instead of an answer.

    ``status`` with ``retry_after`` (seconds, or an HTTP date), ``param`` and ``message`` make an HTTP error;
    ``body`` is sent as it is. ``kind`` ``hang`` never answers and ``drop`` closes the connection.
    """

    kind: Literal["status", "hang", "drop", "body"] = "status"
    status: int = 500
    retry_after: str | None = None
    code: str | None = None
    param: str | None = None
    message: str = "this failure is part of a test"
    body: str = ""

    @classmethod
    def error(cls, status: int = 500, *, code: str | None = None) -> Fault:
        return cls(status=status, code=code)

    @classmethod
    def rate_limited(cls, retry_after: float | str | None = None) -> Fault:
        return cls(status=429, retry_after=None if retry_after is None else str(retry_after))

    @classmethod
    def hang(cls) -> Fault:
        return cls(kind="hang")

    @classmethod
    def drop(cls) -> Fault:
        return cls(kind="drop")

    @classmethod
    def raw(cls, body: str) -> Fault:
        """Status 200 with this body, whatever it is."""
        return cls(kind="body", status=200, body=body)


Request = dict[str, Any]
Reply = str | Fault
Replies = Reply | Sequence[Reply] | Callable[[Request], Reply]


class Script:
    """Replies by name: an agent's output class, or ``text`` for requests without a schema.

    A reply is a text, a ``Fault``, or a function of the request; a list is used up in order, its last
    member stays. Replies given without a name are for all that have none of their own; without
    either, the answer is the smallest instance of the schema. Threads may share it.
    """

    def __init__(self, replies: Mapping[str, Replies] | Replies | None = None) -> None:
        self._replies: dict[str, Replies] = (
            dict(replies) if isinstance(replies, Mapping) else {} if replies is None else {_REST: replies}
        )
        self._used: dict[str, int] = {}
        self._lock = threading.Lock()

    def __setitem__(self, name: str, replies: Replies) -> None:
        with self._lock:
            self._replies[name] = replies
            self._used.pop(name, None)

    def __delitem__(self, name: str) -> None:
        with self._lock:
            self._replies.pop(name, None)

    def reply(self, request: Request) -> Reply:
        """The reply to a chat-completion request."""
        name = schema_name(request)
        found = self._next(name if name in self._replies else _REST, request)
        if found is not None:
            return found
        schema = schema_of(request)
        return "A short answer." if schema is None else json.dumps(example_of(schema))

    def fault(self, name: str, request: Request) -> Fault | None:
        """The fault scripted for what is no chat completion, if it is its turn."""
        found = self._next(name, request)
        return found if isinstance(found, Fault) else None

    def _next(self, name: str, request: Request) -> Reply | None:
        with self._lock:
            replies = self._replies.get(name)
            number = self._used.get(name, 0)
            self._used[name] = number + 1
        if replies is None or isinstance(replies, str | Fault):
            return replies
        if callable(replies):
            return replies(request)
        return replies[min(number, len(replies) - 1)]


def schema_of(request: Request) -> dict[str, Any] | None:
    """The JSON Schema a request asks for, in ``response_format`` or in the prompt's text."""
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        found: dict[str, Any] = wanted["json_schema"]["schema"]
        return found
    for message in request["messages"]:
        _, mark, rest = str(message["content"]).partition(SCHEMA_MARK)
        if mark:
            schema, _ = json.JSONDecoder().raw_decode(rest.strip())
            return dict(schema)
    return None


def schema_name(request: Request) -> str:
    schema = schema_of(request)
    return TEXT if schema is None else str(schema.get("title", TEXT))


def example_of(schema: Mapping[str, Any]) -> Any:
    """The smallest valid instance: first choices, empty lists unless ``minItems``, short texts."""
    return _example(schema, schema.get("$defs", {}))


def _example(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if "$ref" in node:
        return _example(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in node:
            return _example(node[key][0], definitions)
    if "enum" in node:
        return node["enum"][0]
    kind = node.get("type", "string")
    if kind == "object":
        return {name: _example(part, definitions) for name, part in node.get("properties", {}).items()}
    if kind == "array":
        return [_example(node.get("items", {}), definitions) for _ in range(node.get("minItems", 0))]
    least = node.get("minimum", node.get("exclusiveMinimum", -1) + 1)
    scalars = {"integer": least, "number": least, "boolean": False, "null": None}
    return node.get("const", scalars.get(kind, "text"))


def hashed_vectors(texts: Sequence[str], dimensions: int) -> Vectors:
    """Deterministic bags of words, length 1: texts that share words are near. Shape (texts, dimensions)."""
    vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.casefold()):
            mark = zlib.crc32(word.encode("utf-8", "replace"))
            vectors[row, mark % dimensions] += 1.0 if mark & 0x8000_0000 else -1.0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    np.divide(vectors, lengths, out=vectors, where=lengths > 0)
    return vectors

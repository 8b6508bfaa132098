"""The errors each call may answer with, for the schema."""

from __future__ import annotations

from typing import Any

from omnimemory.api.problems import MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]


def _problems(**found: str) -> Responses:
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return {
        int(status[1:]): {"description": description, "content": content}
        for status, description in found.items()
    }


PROBLEMS = _problems(
    _400="The body is no JSON",
    _401="No API key, or an unknown one",
    _403="The key is not for this, or a key is needed",
    _408="The body took too long",
    _413="The body is too large",
    _414="The query string is too long",
    _415="The body is not declared to be JSON",
    _422="A field cannot be used",
    _429="Too many requests",
    _500="A fault of ours",
    _503="A part does not answer now",
)
NO_SUCH = _problems(_404="There is none in this scope")
STORING = _problems(_409="It contradicts what is stored, or the key came with another request")

"""JSON Schemas as model endpoints want them, and as text for those that take none."""

from __future__ import annotations

import functools
import json
from typing import Any

from pydantic import BaseModel

from omnimemory.models.base import Prompt

SCHEMA_MARK = "It must obey this JSON Schema:"
_DROPPED = frozenset({"default", "examples", "title", "minLength", "maxLength", "pattern", "format"})


@functools.cache
def strict_schema(output: type[BaseModel]) -> dict[str, Any]:
    """The schema of ``output`` for strict mode: nothing optional, nothing additional, no defaults.

    What strict mode may refuse (lengths, patterns, formats) is left out; pydantic checks it anyway.
    The root keeps its title, the class's name. Free-form mappings do not fit strict mode. Made
    once for each class (4 ms) and shared: not to be changed.
    """
    schema = output.model_json_schema()
    definitions = schema.pop("$defs", {})
    found = _strict(schema, definitions)
    if definitions:
        found["$defs"] = {name: _strict(part, definitions) for name, part in definitions.items()}
    return {"title": output.__name__, **found}


def _strict(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node and len(node) > 1:
        # Strict mode allows nothing beside a $ref, so what stands there is merged into a copy.
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _strict({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            found[key] = {name: _strict(part, definitions) for name, part in value.items()}
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            found[key] = [_strict(part, definitions) for part in value]
        elif key == "items":
            found[key] = _strict(value, definitions)
        elif key not in _DROPPED:
            found[key] = value
    if "properties" in found:
        found["required"] = list(found["properties"])
        found["additionalProperties"] = False
    return found


def with_schema(prompt: Prompt, schema: dict[str, Any]) -> Prompt:
    """``prompt`` with the schema as text, for models whose endpoint does not enforce one."""
    return Prompt(system=f"{prompt.system}\n\n{schema_text(schema)}", user=prompt.user)


def schema_text(schema: dict[str, Any]) -> str:
    compact = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with one JSON object and nothing else. {SCHEMA_MARK}\n{compact}"

"""User metadata as opaque texts that any store can index and match exactly.

Keys and values never become field names or query syntax, so hostile ones are plain data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from omnimemory.core.errors import InvalidRequest
from omnimemory.core.ids import content_hash

_LONGEST = 512


def facet(key: str, value: JsonValue) -> str:
    """One key and value as text: equal exactly for equal JSON values."""
    text = json.dumps([key, value], ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= _LONGEST else content_hash(text)


def facets_of(metadata: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """The facets of a memory's metadata; each item of a list can be matched by itself too."""
    found = [facet(key, value) for key, value in metadata.items()]
    for key, value in metadata.items():
        if isinstance(value, list):
            found += [facet(key, item) for item in value]
    return tuple(dict.fromkeys(found))


def wanted_facets(filters: Mapping[str, JsonValue] | None) -> tuple[str, ...]:
    """The facets a caller's ``filters`` ask for; all of them must be present.

    Raises:
        InvalidRequest: when ``filters`` is not a mapping of names to JSON values.
    """
    if not filters:
        return ()
    if not isinstance(filters, Mapping) or not all(isinstance(key, str) for key in filters):
        raise InvalidRequest('filters must be a mapping of metadata names to values, as {"topic": "travel"}')
    try:
        return tuple(facet(key, value) for key, value in filters.items())
    except (TypeError, ValueError) as exc:
        raise InvalidRequest(f"filters must hold JSON values only: {exc}") from exc

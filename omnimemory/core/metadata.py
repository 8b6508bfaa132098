"""User metadata: JSON that a caller attaches, within bounds."""

from __future__ import annotations

MAX_METADATA_ITEMS = 2_000
MAX_METADATA_CHARS = 65_536
"""Metadata is kept with every record of a memory and comes back with every answer that names the
memory, so it is for what one filters and shows; a document is a message."""


def check_metadata(value: object) -> object:
    """Return ``value`` when it is of moderate size; whether it is JSON is for others to say.

    Looks at no more than the limit allows, so that it is quick whatever it is given.

    Raises:
        ValueError: more names and values than ``MAX_METADATA_ITEMS``, at any depth, or more text than
            ``MAX_METADATA_CHARS``.
    """
    if not value:
        return value
    items = characters = 0
    left: list[object] = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            characters += len(one)
            if characters > MAX_METADATA_CHARS:
                raise ValueError(f"holds over {MAX_METADATA_CHARS} characters; keep long texts elsewhere")
        elif isinstance(one, dict | list):
            items += 2 * len(one) if isinstance(one, dict) else len(one)
            if items > MAX_METADATA_ITEMS:
                raise ValueError(f"holds more than {MAX_METADATA_ITEMS} names and values; keep fewer")
            left += [*one, *one.values()] if isinstance(one, dict) else one
    return value

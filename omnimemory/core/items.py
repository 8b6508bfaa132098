"""Key-value items: what is asked of them and what comes back (docs/decisions/0005).

A namespace is a path of labels, a value a JSON object. Any Unicode text is a legal label or key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue

from omnimemory.core.base import Frozen, Request
from omnimemory.core.scope import Time

APP_USER = "__app__"
"""The user id under which an app's own items, those without a user, and their memories are kept."""

ANY_LABEL = "*"


def _not_empty(label: str) -> str:
    if not label:
        raise ValueError("a label is empty; give it text")
    return label


Label = Annotated[str, AfterValidator(_not_empty)]
Namespace = tuple[Label, ...]
JsonObject = dict[str, JsonValue]
Count = Annotated[int, Field(ge=0)]


class GetItem(Request):
    """One item, or None. ``refresh_ttl`` gives a perishable item its whole time again."""

    namespace: Namespace
    key: str
    refresh_ttl: bool = True


class SearchItems(Request):
    """The items whose namespace begins with ``prefix`` (label by label) and whose value fits ``filter``.

    Without ``query`` they come namespace by namespace, each in the order of the items' first put. With
    it, first those that recall ranks, by composite score, then the others in that order.
    """

    prefix: Namespace = ()
    query: str | None = None
    filter: JsonObject | None = None
    limit: Count = 10
    offset: Count = 0
    refresh_ttl: bool = True


class PutItem(Request):
    """Store a value, or with None delete the item.

    ``index``: False keeps it out of search by meaning; paths (``title``, ``a.b``, ``list[*].text``,
    ``list[-1]``, ``{x,y}``) name what is searched; None means the whole value. ``ttl`` is in minutes
    from the last put, or read that refreshes; None is for good.
    """

    namespace: Namespace
    key: str
    value: JsonObject | None
    index: Literal[False] | tuple[str, ...] | None = None
    ttl: Annotated[float, Field(gt=0, le=1e9)] | None = None


class NamespaceMatch(Request):
    """Whether a namespace begins (``prefix``) or ends (``suffix``) with ``path``; ``*`` is any label."""

    kind: Literal["prefix", "suffix"]
    path: Namespace


class ListNamespaces(Request):
    """The namespaces that hold an item and fit every one of ``matches``, sorted.

    ``max_depth`` cuts them to so many labels; what becomes equal by it comes once.
    """

    matches: tuple[NamespaceMatch, ...] = ()
    max_depth: Count | None = None
    limit: Count = 100
    offset: Count = 0


class Item(Frozen):
    """A stored value. ``created_at`` is its first put's time, ``updated_at`` its last one's."""

    namespace: tuple[str, ...]
    key: str
    value: JsonObject
    created_at: Time
    updated_at: Time


class FoundItem(Item):
    """An item as a search returns it; ``score`` is the composite score, None for the unranked."""

    score: float | None = None


ItemOp = GetItem | SearchItems | PutItem | ListNamespaces
ItemResult = Item | list[FoundItem] | list[tuple[str, ...]] | None
"""Of a get, a search, a listing; None of a put."""


def fits(namespace: tuple[str, ...], match: NamespaceMatch) -> bool:
    """Whether a namespace matches; a shorter one than the path never does."""
    size = len(match.path)
    if len(namespace) < size:
        return False
    part = namespace[:size] if match.kind == "prefix" else namespace[len(namespace) - size :]
    return all(wanted in (ANY_LABEL, label) for wanted, label in zip(match.path, part, strict=True))

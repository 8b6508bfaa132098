"""Identifiers: what callers may choose, and what the engine derives from it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import uuid

from omnimemory.core.errors import ScopeError

MAX_ID_LENGTH = 256
_NAMESPACE = uuid.UUID("6d0f3a52-3d0c-5e0b-9d43-0a6f1c7f6b11")


def check_id(value: object, field: str) -> str:
    """Return ``value`` when it is a usable scope id.

    Any non-blank text of up to 256 characters is legal: quotes, emoji, path separators.
    Control characters and lone surrogates are not, as no database stores them all.

    Raises:
        ScopeError: naming ``field`` and what to change.
    """
    if not isinstance(value, str):
        raise ScopeError(f"{field} must be text, got {type(value).__name__}")
    if not value.strip():
        raise ScopeError(f"{field} is blank; give any text of 1 to {MAX_ID_LENGTH} characters")
    if len(value) > MAX_ID_LENGTH:
        raise ScopeError(f"{field} has {len(value)} characters; at most {MAX_ID_LENGTH} are allowed")
    if not value.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        raise ScopeError(f"{field} holds a control character; use printable characters only")
    return value


def new_id() -> str:
    """A new random identifier (UUID4 text)."""
    return str(uuid.uuid4())


def derived_id(*parts: str) -> str:
    """The same UUID text for the same parts, in every process and on every machine."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(parts)))


def record_id(memory_id: str, part: str = "") -> str:
    """Id of a store record: the memory's own for its head, a derived one for a statement."""
    return derived_id(memory_id, part) if part else memory_id


def collection_name(app_id: str, *, prefix: str = "om") -> str:
    """A collection name legal in every supported database and unique per app.

    A readable slug, then 16 hex digits of the id's SHA-256: two apps whose slugs agree
    still get two collections. Between 20 and 60 characters of ``[a-z0-9_]``.
    """
    ascii_id = unicodedata.normalize("NFKD", app_id).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", ascii_id).strip("_")[:36] or "app"
    return f"{prefix}_{slug}_{hashlib.sha256(app_id.encode()).hexdigest()[:16]}"


def content_hash(*parts: str) -> str:
    """SHA-256 over length-prefixed parts, as hex: equal only for equal parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()

"""What Chroma's own errors mean; the same on a server and in a folder."""

from __future__ import annotations

from chromadb import errors

from omnimemory.core.errors import (
    ConfigError,
    DimensionMismatch,
    OmniMemoryError,
    StoreError,
    StoreUnavailable,
)
from omnimemory.stores.chroma_table import CollectionGone


def translated(error: Exception, place: str) -> OmniMemoryError:
    """Ours for one of Chroma's. ``place`` says where Chroma is and what to set."""
    match error:
        case errors.NotFoundError():
            return CollectionGone(f"Chroma at {place}: a collection is gone ({error}); try again")
        case errors.ChromaAuthError() | errors.AuthorizationError():
            return ConfigError(f"Chroma at {place} refused the token; set CHROMA_AUTH_TOKEN to a valid one")
        case errors.InvalidDimensionException():
            return DimensionMismatch(
                f"Chroma at {place}: {error}; use the embedder that built the collection, or run "
                "`omnimemory rebuild`"
            )
        case errors.VersionMismatchError() | errors.InvalidHTTPVersion():
            return ConfigError(
                f"Chroma at {place} has another version ({error}); use 1.5 or later on both sides"
            )
        case errors.RateLimitError() | errors.InternalError() | errors.UniqueConstraintError():
            return StoreUnavailable(f"Chroma at {place} could not answer: {error}")
        case _:
            return StoreError(f"Chroma at {place} failed: {error}")

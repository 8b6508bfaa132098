"""Every error OmniMemory raises, in one tree.

    OmniMemoryError
    |-- ConfigError                 a setting is missing, unknown or malformed
    |-- InvalidRequest              the caller's arguments cannot be used
    |   |-- ScopeError              an app, user or session id
    |   `-- MessageError            a message
    |-- NotFound                    no such memory or task in this scope
    |-- Conflict                    the request contradicts what is stored
    |   |-- IdempotencyConflict     the same key with other content
    |   `-- VersionConflict         built on a state that has changed since
    |-- StoreError                  the vector store
    |   |-- StoreUnavailable *
    |   |-- DimensionMismatch
    |   `-- StoreLocked             another process holds the folder
    |-- ModelError                  a chat model or an embedder
    |   |-- ModelUnavailable *
    |   |-- RateLimited *
    |   `-- InvalidModelOutput      no usable answer after the repair ask
    |-- DeliveryFailed              a webhook's receiver did not take the result
    `-- LedgerError                 the database of record
        `-- LedgerUnavailable *

The starred ones are transient: background work retries them.
"""

from __future__ import annotations


class OmniMemoryError(Exception):
    """Base of every error raised on purpose.

    ``transient`` tells whether the same call may succeed later without any change.
    """

    transient: bool = False


class ConfigError(OmniMemoryError):
    """A setting is missing, unknown or malformed; the message shows a right value."""


class InvalidRequest(OmniMemoryError, ValueError):
    """The caller's arguments cannot be used; the message says what to change."""


class ScopeError(InvalidRequest):
    """An app, user or session id is not usable."""


class MessageError(InvalidRequest):
    """A message, or a list of messages, is not usable."""


class NotFound(OmniMemoryError, LookupError):
    """No such memory or task in this scope. Another scope's ids answer the same."""


class Conflict(OmniMemoryError):
    """The request contradicts what is already stored."""


class IdempotencyConflict(Conflict):
    """A message id or idempotency key came again with other content."""


class VersionConflict(Conflict):
    """The memory has changed since the state the caller built on."""


class StoreError(OmniMemoryError):
    """The vector store refused or failed."""


class StoreUnavailable(StoreError):
    """The vector store does not answer now; a later try may succeed."""

    transient = True


class DimensionMismatch(StoreError):
    """The collection was built by another embedder or analyser; reindex it."""


class StoreLocked(StoreError):
    """Another process holds the store's folder; the message says which."""


class ModelError(OmniMemoryError):
    """A chat model or an embedder refused or failed."""


class ModelUnavailable(ModelError):
    """The model's endpoint does not answer now; a later try may succeed."""

    transient = True


class RateLimited(ModelError):
    """The endpoint asked to slow down.

    ``retry_after`` is the endpoint's own wish in seconds, None when it gave none.
    """

    transient = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InvalidModelOutput(ModelError):
    """The model gave no usable answer, also after being shown what was wrong with it."""


class DeliveryFailed(OmniMemoryError):
    """A webhook's receiver did not take the result; a ``permanent`` refusal is not tried again.

    ``retry_after`` is when the next attempt is due, in seconds; None when there shall be none.
    """

    def __init__(self, message: str, *, permanent: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class LedgerError(OmniMemoryError):
    """The database of record cannot be opened, read or written."""


class LedgerUnavailable(LedgerError):
    """The database of record does not answer now; a later try may succeed."""

    transient = True

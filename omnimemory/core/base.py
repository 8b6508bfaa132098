"""What every schema shares: frozen, strict about unknown fields, readable as a dict."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from omnimemory.core.errors import InvalidRequest, MessageError, ScopeError

_SCOPE_FIELDS = frozenset({"app_id", "user_id", "session_id"})


def describe(error: ValidationError) -> str:
    """One line a person can act on: which field, what is wrong, what was given."""
    parts = []
    for item in error.errors(include_url=False):
        where = ".".join(str(step) for step in item["loc"])
        message = item["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {message}" if where else message)
    return "; ".join(parts)


class Frozen(BaseModel):
    """A value that crosses modules: immutable, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(Frozen):
    """A value that callers build. What cannot be used raises an ``InvalidRequest``, not pydantic's error."""

    _error: ClassVar[type[InvalidRequest]] = InvalidRequest

    if not TYPE_CHECKING:  # keeps the typed constructor that pydantic synthesises

        def __init__(self, **data: Any) -> None:
            try:
                super().__init__(**data)
            except ValidationError as exc:
                raise self._error_class(exc)(describe(exc)) from exc

    @classmethod
    def _error_class(cls, error: ValidationError) -> type[InvalidRequest]:
        fields = {item["loc"][0] for item in error.errors(include_url=False) if item["loc"]}
        if fields & _SCOPE_FIELDS:
            return ScopeError
        return MessageError if "messages" in fields else cls._error


class DictReadable(Frozen):
    """Reads as a dict too: ``memory["document"]``, ``memory.get(...)``, ``dict(memory)``.

    A subclass says in ``_mapping`` which keys it has.
    """

    def _mapping(self) -> dict[str, Any]:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """A plain, JSON-ready dict (times as ISO 8601 text)."""
        return self._mapping()

    def __getitem__(self, key: str) -> Any:
        return self._mapping()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._mapping()

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]  # pydantic's yields pairs
        return iter(self._mapping())

    def __len__(self) -> int:
        return len(self._mapping())

    def get(self, key: str, default: Any = None) -> Any:
        return self._mapping().get(key, default)

    def keys(self) -> KeysView[str]:
        return self._mapping().keys()

    def values(self) -> ValuesView[Any]:
        return self._mapping().values()

    def items(self) -> ItemsView[str, Any]:
        return self._mapping().items()


Mapping.register(DictReadable)

"""Whose memories are meant, and the checked types that many schemas share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, JsonValue

from omnimemory.core.base import Request
from omnimemory.core.ids import check_id
from omnimemory.core.metadata import check_metadata


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
AppId = Annotated[str, BeforeValidator(lambda v: check_id(v, "app_id"))]
UserId = Annotated[str, BeforeValidator(lambda v: check_id(v, "user_id"))]
SessionId = Annotated[str, BeforeValidator(lambda v: check_id(v, "session_id"))]
Metadata = dict[str, JsonValue]
GivenMetadata = Annotated[Metadata, BeforeValidator(check_metadata)]
"""As callers hand it in; what is stored is read as it is."""
Role = Literal["user", "assistant", "system", "tool"]


class Scope(Request):
    """Whose memories are meant. ``user_id`` and ``session_id`` narrow when given."""

    app_id: AppId
    user_id: UserId | None = None
    session_id: SessionId | None = None

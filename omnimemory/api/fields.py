"""The types of what callers send, each described in the schema just as it is checked."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    WithJsonSchema,
)

from omnimemory.core import scope
from omnimemory.core.ids import MAX_ID_LENGTH
from omnimemory.webhooks import check_callback

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_ID_SCHEMA = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_LENGTH,
    "pattern": rf"^[^{_CONTROL}]*[^{_CONTROL}\s][^{_CONTROL}]*$",
}
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(?:([Zz])|([+ -])(\d\d:\d\d))", re.ASCII
)
_WORDS = {"true": True, "false": False}


class Body(BaseModel):
    """What a caller sends as JSON: known fields only, and no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Parameters(BaseModel):
    """What a caller sends in the query string: known names only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank; leave it out or give it text")
    return value


def _moment(value: object) -> datetime:
    """A time of RFC 3339. A plus that a query string made a blank is read as a plus."""
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a time with a time zone, as 2026-01-31T12:00:00Z")
    day, time, fraction, zulu, sign, offset = found.groups()
    zone = "+00:00" if zulu else ("-" if sign == "-" else "+") + offset
    try:
        return datetime.fromisoformat(f"{day}T{time}{fraction or ''}{zone}").astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("is out of range") from exc


def _plain_json(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if value:
        json.dumps(value, allow_nan=False)  # a number too large for JSON reads as infinity
    return value


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _callback_url(value: str) -> str:
    check_callback(value, {}, allow_private=True)  # which addresses are allowed is for the engine to say
    return value


def _flag(value: object) -> object:
    return _WORDS.get(value, value) if isinstance(value, str) else value


AppId = Annotated[scope.AppId, WithJsonSchema(_ID_SCHEMA)]
UserId = Annotated[scope.UserId, WithJsonSchema(_ID_SCHEMA)]
SessionId = Annotated[scope.SessionId, WithJsonSchema(_ID_SCHEMA)]
Label = Annotated[str, WithJsonSchema(_ID_SCHEMA)]
"""The id or name of a message; the message itself checks it."""

Text = Annotated[
    str, AfterValidator(_not_blank), WithJsonSchema({"type": "string", "minLength": 1, "pattern": r"\S"})
]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_plain_json)]
Flag = Annotated[bool, Strict(), BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Filter = Annotated[str, Field(pattern="^[^:]+:")]
"""An item of user metadata with a text for its value: ``name:value``."""

Kind = Literal["turn", "note"]
Status = Literal["active", "updated", "superseded", "deleted"]
TaskState = Literal["queued", "running", "done", "parked"]
Role = scope.Role

Results = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole)]
Budget = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Composite = Annotated[float, Field(ge=0, le=2)]
Cursor = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]

_HOST = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
CallbackUrl = Annotated[
    str,
    AfterValidator(_callback_url),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 8,
            "pattern": rf"^https?://{_HOST}(:[1-9][0-9]{{0,3}})?(/[!-~]*)?$",
            "examples": ["https://example.com/hook"],
        }
    ),
]
"""Public web addresses; ``webhooks`` checks them, and knows which others are allowed."""

CallbackHeaders = Annotated[
    dict[str, str],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
            "additionalProperties": {"type": "string", "pattern": r"^[\t -~]*$"},
        }
    ),
]

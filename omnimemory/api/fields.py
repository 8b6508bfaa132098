"""The types of what callers send, each described in the schema just as it is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from annotated_types import GroupedMetadata
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
    model_validator,
)

from omnimemory.core import scope
from omnimemory.core.ids import MAX_ID_LENGTH
from omnimemory.core.metadata import MAX_METADATA_CHARS, MAX_METADATA_ITEMS, check_metadata
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
_HOST = r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
_PATH = r"(/([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
_CALLBACK = re.compile(rf"https?://[^/]+{_PATH}")
_WORDS = {"true": True, "false": False}

MOST_FIELDS = 50
"""Each unknown field is an error of its own; with more of them than this there is one for all."""
MOST_WORDS = 100
"""Members of a list of words, of which there are only a few."""
MOST_SHOWN = 1000
MOST_CALLBACK_HEADERS = 50


class Sent(BaseModel):
    """What a caller sends: known fields only. The text under a field describes it in the schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Body(Sent):
    """What a caller sends as JSON: no value of another type."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        if isinstance(value, dict) and len(value) > MOST_FIELDS:
            raise ValueError(f"has {len(value)} fields; known are {', '.join(cls.model_fields)}")
        return value


class Parameters(Sent):
    """What a caller sends in the query string."""


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is blank; give it text")
    return value


@dataclass(frozen=True, slots=True)
class Like(GroupedMetadata):
    """Marks text of a pattern; who sends another is told in words what is ``wanted``."""

    pattern: str
    wanted: str

    def __iter__(self) -> Iterator[object]:
        yield AfterValidator(self._check)
        yield WithJsonSchema({"type": "string", "pattern": self.pattern})

    def _check(self, value: str) -> str:
        if re.search(self.pattern, value) is None:
            raise ValueError(f"must be {self.wanted}")
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


def _few_headers(value: object) -> object:
    if isinstance(value, dict) and len(value) > MOST_CALLBACK_HEADERS:
        raise ValueError(f"has {len(value)} headers; at most {MOST_CALLBACK_HEADERS} are sent")
    return value


def _plain_json(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if value:
        json.dumps(value, allow_nan=False)  # a number too large for JSON reads as infinity
    return value


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _callback_url(value: str) -> str:
    check_callback(value, {}, allow_private=True)  # which addresses are allowed is for the engine to say
    if _CALLBACK.fullmatch(value) is None:
        raise ValueError("holds characters that a URL has only percent-encoded, as %20")
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
Metadata = Annotated[
    dict[str, JsonValue],
    BeforeValidator(check_metadata),
    AfterValidator(_plain_json),
]
METADATA_LIMITS = (
    f"At most {MAX_METADATA_ITEMS:,} names and values at any depth, and {MAX_METADATA_CHARS:,} characters."
)
Flag = Annotated[bool, Strict(), BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Filter = Annotated[str, Like("^[^:]+:", "a name and a text, as topic:travel")]
"""An item of user metadata with a text for its value: ``name:value``."""

Kind = Literal["turn", "note"]
Status = Literal["active", "updated", "superseded", "deleted"]
TaskState = Literal["queued", "running", "done", "parked"]
Role = scope.Role

Results = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole)]
Budget = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Composite = Annotated[float, Field(ge=0, le=2)]
Cursor = Annotated[str, Like(r"^[0-9]{1,18}$", "the next_cursor of an earlier page")]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=MOST_WORDS, fail_fast=True)]
Statuses = Annotated[list[Status], Field(min_length=1, max_length=MOST_WORDS, fail_fast=True)]
TaskStates = Annotated[list[TaskState], Field(max_length=MOST_WORDS, fail_fast=True)]
Filters = Annotated[list[Filter], Field(max_length=MOST_WORDS, fail_fast=True)]
Shown = Annotated[list[str], Field(max_length=MOST_SHOWN, fail_fast=True)]

CallbackUrl = Annotated[
    str,
    AfterValidator(_callback_url),
    WithJsonSchema(
        {
            "type": "string",
            "format": "uri",
            "minLength": 8,
            "pattern": rf"^https?://{_HOST}(:[1-9][0-9]{{0,3}})?{_PATH}$",
            "examples": ["https://example.com/hook"],
        }
    ),
]
"""Public web addresses; ``webhooks`` checks them, and knows which others are allowed."""

CallbackHeaders = Annotated[
    dict[str, str],
    BeforeValidator(_few_headers),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MOST_CALLBACK_HEADERS,
            "propertyNames": {"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"},
            "additionalProperties": {"type": "string", "pattern": r"^[\t -~]*$"},
        }
    ),
]

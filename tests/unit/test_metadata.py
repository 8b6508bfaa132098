"""User metadata is bounded, whoever hands it in, and refused before much is made of it."""

from __future__ import annotations

import pytest

from omnimemory import Message
from omnimemory.core.errors import MessageError
from omnimemory.core.metadata import MAX_METADATA_CHARS, MAX_METADATA_ITEMS
from omnimemory.core.schemas import Metadata, UserMessages

ENDLESS: Metadata = {}
ENDLESS["again"] = ENDLESS


@pytest.mark.parametrize(
    "metadata",
    [
        {str(number): number for number in range(MAX_METADATA_ITEMS)},
        {"a": [[]] * (MAX_METADATA_ITEMS + 1)},
        {"a": [{"b": list(range(40))}] * 100},
        {"a": "x" * (MAX_METADATA_CHARS + 1)},
        {"x" * (MAX_METADATA_CHARS + 1): 1},
        ENDLESS,
    ],
    ids=["names", "values", "nested values", "a text", "a name", "itself"],
)
def test_metadata_beyond_the_limit_is_refused(metadata: Metadata) -> None:
    with pytest.raises(MessageError, match=r"metadata: .*(names and values|characters)"):
        Message(role="user", content="a", metadata=metadata)


def test_metadata_within_the_limit_is_kept() -> None:
    metadata: Metadata = {"topic": "travel", "days": [1, 2.5, None, True], "place": {"city": "Oslo"}}
    message = Message(role="user", content="a", metadata=metadata)
    assert message.metadata == metadata
    given = UserMessages(app_id="a", user_id="b", messages=[message], metadata={"a": "x" * 60_000})
    assert len(str(given.metadata["a"])) == 60_000

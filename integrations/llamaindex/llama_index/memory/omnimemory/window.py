"""The newest part of a transcript that fits: whole turns, tool calls never parted from their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llama_index.memory.omnimemory.messages import ASSISTANT, TOOL, Entry
from pydantic import JsonValue

_ASSISTANT = frozenset(role.value for role in ASSISTANT)
_TOOL = frozenset(role.value for role in TOOL)


@dataclass(frozen=True, slots=True)
class _Unit:
    """A message, or a message that calls tools together with their results."""

    entries: list[Entry]
    calls: int

    @property
    def tokens(self) -> int:
        return sum(map(tokens_of, self.entries))

    @property
    def opens_turn(self) -> bool:
        return is_user(self.entries[0])

    @property
    def answered(self) -> bool:
        return len(self.entries) > self.calls


def fitting(entries: Sequence[Entry], limit: int, *, complete: bool) -> list[Entry]:
    """The newest entries of at most ``limit`` tokens, beginning with a user message.

    ``entries`` are the transcript's last ones, or all of them when ``complete``; all of them may
    begin with anything. The newest turn is never cut: it stays whole even when it alone is larger.
    Results without their call, and calls that were left without a result, are left out.
    """
    units = list(_units(entries))
    units = [unit for unit in units[:-1] if unit.answered] + units[-1:]
    turn = max((position for position, unit in enumerate(units) if unit.opens_turn), default=None)
    used = sum(unit.tokens for unit in units[turn:]) if turn is not None else 0
    start = len(units) if turn is None else turn
    for position in range(start - 1, -1, -1):
        used += units[position].tokens
        if used > limit:
            break
        if units[position].opens_turn or turn is None or (complete and position == 0):
            start = position
    return [entry for unit in units[start:] for entry in unit.entries]


def tokens_of(entry: Entry) -> int:
    tokens = entry.get("tokens")
    return tokens if isinstance(tokens, int) else 0


def is_user(entry: Entry) -> bool:
    return entry.get("role") == "user"


def _units(entries: Sequence[Entry]) -> Iterator[_Unit]:
    current: _Unit | None = None
    for entry in entries:
        if entry.get("role") in _TOOL:
            if current is not None and current.calls:
                current.entries.append(entry)
            continue  # a result whose call is not here would be refused by every model
        if current is not None:
            yield current
        current = _Unit([entry], calls=_calls(entry))
    if current is not None:
        yield current


def _calls(entry: Entry) -> int:
    """How many tools the message calls; integrations tell it in blocks, in the extras, or in both."""
    if entry.get("role") not in _ASSISTANT:
        return 0
    ids = [block.get("tool_call_id") for block in _dicts(entry.get("blocks")) if _is_call(block)]
    extras = entry.get("additional_kwargs")
    if isinstance(extras, dict):
        ids += [call.get("id") for call in _dicts(extras.get("tool_calls"))]
        ids += [None] if extras.get("function_call") else []
    return len({call for call in ids if call}) or len(ids)


def _is_call(block: Entry) -> bool:
    return block.get("block_type") == "tool_call"


def _dicts(value: JsonValue) -> list[Entry]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

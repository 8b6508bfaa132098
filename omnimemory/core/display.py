"""Text as it may be shown: whatever a memory holds, it cannot steer a terminal or reorder a line."""

from __future__ import annotations

_LINE_BREAK_AND_TAB = {9, 10}
_STEERING = {*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_HARMLESS = dict.fromkeys(_STEERING - _LINE_BREAK_AND_TAB, "\N{REPLACEMENT CHARACTER}")


def plain(text: str) -> str:
    """``text`` with its control characters and bidirectional overrides made visible; line breaks stay."""
    return text.translate(_HARMLESS)


def one_line(text: str, *, limit: int = 160) -> str:
    """``plain`` text on one line of at most ``limit`` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"

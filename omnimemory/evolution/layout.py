"""Where the cards of a chain go: one column per step, merges meet in the middle, long chains wrap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnimemory.core.schemas import Memory

CARD_WIDTH = 264
CARD_HEIGHT = 202
COLUMN_GAP = 140
ROW_GAP = 22
BAND_GAP = 56
COLUMNS = 4
"""Columns beside each other; a longer chain continues below, so that it fits a screen."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """A curve as SVG path data, and the middle of its label."""

    source: str
    target: str
    path: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Upper left corners of the cards by memory id, and the arrows; all in pixels."""

    places: dict[str, tuple[float, float]]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


def lay_out(members: Sequence[Memory]) -> Layout:
    """Place ordered members. Each has at most one successor, so a chain is a tree read from its leaves.

    A member stands one column before its successor; a merged one in the middle of its parts.
    """
    ids = {memory.id for memory in members}
    position = {memory.id: index for index, memory in enumerate(members)}
    parts: dict[str, list[str]] = {memory.id: [] for memory in members}
    final = {}
    for memory in reversed(members):
        successor = memory.next_id if memory.next_id in ids else None
        if successor is None or position[successor] <= position[memory.id]:
            final[memory.id] = memory.id
        else:
            final[memory.id] = final[successor]
            parts[successor].insert(0, memory.id)
    places: dict[str, tuple[float, float]] = {}
    arrows: list[Arrow] = []
    top = 0.0
    for last in dict.fromkeys(final[memory.id] for memory in members):
        top = _place_tree(last, parts, places, arrows, top) + BAND_GAP
    width = max((x for x, _ in places.values()), default=0.0) + CARD_WIDTH
    return Layout(places, tuple(arrows), width, max(0.0, top - BAND_GAP))


def _place_tree(
    final: str,
    parts: dict[str, list[str]],
    places: dict[str, tuple[float, float]],
    arrows: list[Arrow],
    top: float,
) -> float:
    """Place one tree below ``top``; returns where it ends."""
    distance = {final: 0}
    walk = [final]
    for node in walk:
        for part in parts[node]:
            distance[part] = distance[node] + 1
            walk.append(part)
    rows = _rows(walk, parts)
    deepest = max(distance.values())
    column = {node: deepest - steps for node, steps in distance.items()}
    band_tops: dict[int, float] = {}
    for band in range(deepest // COLUMNS + 1):
        inside = [node for node in walk if column[node] // COLUMNS == band]
        first = min(rows[node] for node in inside)
        for node in inside:
            x = (column[node] % COLUMNS) * (CARD_WIDTH + COLUMN_GAP)
            places[node] = (x, top + (rows[node] - first) * (CARD_HEIGHT + ROW_GAP))
        band_tops[band] = top
        top = max(places[node][1] for node in inside) + CARD_HEIGHT + BAND_GAP
    for node in walk:
        for part in parts[node]:
            turn = column[part] // COLUMNS != column[node] // COLUMNS
            channel = band_tops[column[node] // COLUMNS] - BAND_GAP / 2 if turn else None
            arrows.append(_arrow(part, node, places, channel))
    return top - BAND_GAP


def _rows(walk: Sequence[str], parts: dict[str, list[str]]) -> dict[str, float]:
    """Leaves take the next row, in the order a reader meets them; the others the middle of their parts."""
    rows: dict[str, float] = {}
    leaves = 0
    stack = [walk[0]]
    while stack:
        node = stack[-1]
        open_parts = [part for part in parts[node] if part not in rows]
        if open_parts:
            stack.append(open_parts[0])
            continue
        stack.pop()
        if parts[node]:
            rows[node] = (rows[parts[node][0]] + rows[parts[node][-1]]) / 2
        else:
            rows[node] = float(leaves)
            leaves += 1
    return rows


def _arrow(source: str, target: str, places: dict[str, tuple[float, float]], channel: float | None) -> Arrow:
    x1, y1 = places[source][0] + CARD_WIDTH, places[source][1] + CARD_HEIGHT / 2
    x2, y2 = places[target][0] - 7, places[target][1] + CARD_HEIGHT / 2
    if channel is None:
        bend = (x2 - x1) / 2
        path = f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
        return Arrow(source, target, path, (x1 + x2) / 2, (y1 + y2) / 2)
    right, left, r = x1 + 26, x2 - 19, 12
    path = (
        f"M{x1:g},{y1:g} H{right - r:g} Q{right:g},{y1:g} {right:g},{y1 + r:g} V{channel - r:g} "
        f"Q{right:g},{channel:g} {right - r:g},{channel:g} H{left + r:g} "
        f"Q{left:g},{channel:g} {left:g},{channel + r:g} V{y2 - r:g} "
        f"Q{left:g},{y2:g} {left + r:g},{y2:g} H{x2:g}"
    )
    return Arrow(source, target, path, (right + left) / 2, channel)

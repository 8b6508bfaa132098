"""When an app's own calibration of recall is measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from omnimemory.core.schemas import Scope
from omnimemory.ledger.ledger import Ledger, file_url
from omnimemory.ledger.values import NewTurn
from omnimemory.models.local import WordLlamaEmbedder
from omnimemory.recall.calibration import FIRST, Calibrations

ANN = Scope(app_id="shop", user_id="ann", session_id="chat")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(file_url(tmp_path / "ledger.db")) as opened:
        yield opened


async def grow(ledger: Ledger, calibrations: Calibrations, count: int) -> int | None:
    """The memories of which the kept calibration was measured, after ``count`` more were delivered."""
    turns = [NewTurn("user", f"I planted {number} tulips behind the old shed.") for number in range(count)]
    await ledger.append(ANN, turns, mode="none")
    await calibrations.refine("shop", count)
    kept = await ledger.calibration("shop", WordLlamaEmbedder.name)
    return None if kept is None else kept.documents


async def test_it_is_measured_as_soon_as_there_are_enough_memories(ledger: Ledger) -> None:
    calibrations = Calibrations(ledger, WordLlamaEmbedder())
    assert await grow(ledger, calibrations, 10) is None
    assert await grow(ledger, calibrations, FIRST - 11) is None
    assert await grow(ledger, calibrations, 1) == FIRST
    own = await calibrations.of("shop")
    assert own.mean > 0.5, "these texts resemble each other"


async def test_it_is_measured_again_at_ten_times_as_many(ledger: Ledger) -> None:
    calibrations = Calibrations(ledger, WordLlamaEmbedder())
    assert await grow(ledger, calibrations, FIRST + 50) == FIRST
    assert await grow(ledger, calibrations, 9 * FIRST - 51) == FIRST
    assert await grow(ledger, calibrations, 1) == 10 * FIRST


async def test_another_process_takes_what_was_measured(ledger: Ledger) -> None:
    await grow(ledger, Calibrations(ledger, WordLlamaEmbedder()), FIRST)
    other = Calibrations(ledger, WordLlamaEmbedder())
    assert (await other.of("shop")).mean > 0.5
    assert await grow(ledger, other, 1) == FIRST
    assert await grow(ledger, other, 9 * FIRST) == 10 * FIRST

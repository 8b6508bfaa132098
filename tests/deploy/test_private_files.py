"""What is stored on disk is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnimemory.attach.place import Place
from omnimemory.core.schemas import Message, UserMessages
from omnimemory.core.settings import Settings
from omnimemory.sdk import OmniMemorySDK
from omnimemory.webhooks import HeaderSeal
from omnimemory.wiring import store_from

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """A process whose files are for everybody, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_a_new_home_and_its_ledger_are_their_owners_alone(home: Path) -> None:
    async with OmniMemorySDK() as sdk:
        said = [Message(role="user", content="My locker is 4711.")]
        await sdk.add_memory(UserMessages(app_id="app", user_id="ana", messages=said), infer=False)
        modes = [mode(home / f"ledger.db{ending}") for ending in ("", "-shm", "-wal")]
    assert mode(home) == 0o700
    assert modes == [0o600] * 3


def test_a_home_that_was_there_keeps_its_permissions(home: Path) -> None:
    home.mkdir(mode=0o750)
    store_from(Settings.load())
    assert mode(home) == 0o750


def test_an_embedded_store_without_a_ledger_beside_it_is_private_too(home: Path) -> None:
    store_from(Settings.load({"ledger_url": "postgresql://elsewhere/ledger"}))
    assert mode(home) == 0o700


def test_the_key_of_callback_headers_is_private_where_nothing_else_is_at_home(home: Path) -> None:
    sealed = HeaderSeal(home).seal({"Authorization": "Bearer token"})
    assert HeaderSeal(home).open(sealed) == {"Authorization": "Bearer token"}
    assert (mode(home), mode(home / "secret.key")) == (0o700, 0o600)


def test_a_home_that_the_daemon_makes_is_private_too(home: Path) -> None:
    Place(home).prepare()
    assert (mode(home), mode(home / "daemon")) == (0o700, 0o700)

"""`omnimemory rebuild --to` and `omnimemory reindex`: moving to another store, and to another embedder."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from omnimemory import Message, OmniMemorySDK, UserMessages
from omnimemory.cli.app import app
from omnimemory.testing.scripted import HashEmbedder
from tests.contract.servers_postgres import PostgresServer, postgres

__all__ = ["postgres"]  # a fixture

BEES = "I keep bees behind the barn."
CHROMA = 'OMNI_MEMORY_PROVIDER="chromadb-local"'

RUN = [sys.executable, "-c", "from omnimemory.cli.app import main; main()"]


def interrupted(end: signal.Signals, *arguments: str) -> tuple[int, str]:
    """Run the command on a terminal and end it as soon as its bar moves: exit code and what it showed."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*RUN, *arguments], stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: it has ended
        while b"Filling" not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(end)
        while True:
            shown += os.read(ours, 4096)
    os.close(ours)
    return process.wait(), shown.decode()


def omnimemory(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def omnimemory_in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RUN, *arguments], capture_output=True, text=True, check=False, timeout=60)


def said(*texts: str, app_id: str = "app") -> UserMessages:
    messages = [Message(role="user", content=text) for text in texts]
    return UserMessages(app_id=app_id, user_id="ann", messages=messages)


@pytest.fixture
async def stocked(home: Path) -> Path:
    """The home folder, with two apps in the embedded default."""
    async with OmniMemorySDK() as sdk:
        await sdk.add_memory(said(BEES))
        await sdk.add_memory(said("I sail a ketch on Sundays.", app_id="second"))
        await sdk.flush()
    return home


def write_env(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


async def recalled(query: str, **settings: Any) -> list[str]:
    async with OmniMemorySDK(**settings) as sdk:
        return [one.document for one in await sdk.recall("app", query, "ann", kinds=["turn"])]


def test_another_store_is_filled_verified_and_named(stocked: Path) -> None:
    done = omnimemory("rebuild", "--to", "chromadb-local")
    assert done.exit_code == 0, done.stderr
    assert "in 2 apps, checksums equal" in done.stdout
    assert f"To use it, set\n    {CHROMA}\n" in done.stdout
    assert done.stderr == ""


@pytest.mark.usefixtures("stocked")
async def test_the_filled_store_recalls_the_same() -> None:
    before = await recalled("bees")
    assert omnimemory_in_a_process("rebuild", "--to", "chromadb-local").returncode == 0
    assert await recalled("bees", provider="chromadb-local") == before == [BEES]


def test_json_has_the_counts_and_the_checksum_of_each_app(stocked: Path) -> None:
    told = json.loads(omnimemory("rebuild", "--to", "chromadb-local", "--json").stdout)
    assert told["settings"] == {"OMNI_MEMORY_PROVIDER": "chromadb-local"}
    assert (told["provider"], told["switched"]) == ("chromadb-local", False)
    assert [one["app_id"] for one in told["apps"]] == ["app", "second"]
    again = json.loads(omnimemory("rebuild", "--to", "ChromaDB Local", "--json").stdout)
    assert [one["written"] for one in again["apps"]] == [0, 0]
    for one, before in zip(again["apps"], told["apps"], strict=True):
        assert before["records"] > before["memories"] == before["written"]
        assert (one["records"], one["checksum"]) == (before["records"], before["checksum"])


def test_one_app_alone_is_not_yet_a_switch(stocked: Path) -> None:
    done = omnimemory("rebuild", "--to", "chromadb-local", "--app-id", "second")
    assert "in 1 app, checksums equal" in done.stdout
    assert "bring over the other applications too" in done.stdout


@pytest.mark.parametrize(("end", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
async def test_a_filling_that_was_interrupted_is_resumed(home: Path, end: signal.Signals, code: int) -> None:
    async with OmniMemorySDK(synthesis=False) as sdk:
        await sdk.add_memory(said(*(f"Page {number} of the diary." for number in range(700))))
        await sdk.flush()
    ended, shown = interrupted(end, "rebuild", "--to", "chromadb-local")
    assert ended == code
    assert "/700" in shown
    assert ("Interrupted. The same command again goes on where it was." in shown) == (code == 130)
    done = omnimemory_in_a_process("rebuild", "--to", "chromadb-local")
    resumed = re.search(r"Resuming: chromadb-local holds (\d+) memories, the ledger 700.", done.stderr)
    assert resumed is not None, done.stderr
    assert 256 <= int(resumed[1]) < 700
    assert "700 memories as 700 records in 1 app, checksums equal" in done.stdout


async def test_it_fills_beside_a_process_at_work_but_does_not_vouch_for_it(stocked: Path) -> None:
    async with OmniMemorySDK() as sdk:
        await sdk.recall("app", "bees")
        busy = omnimemory_in_a_process("rebuild", "--to", "chromadb-local")
        assert busy.returncode == 4, busy.stderr
        assert "chromadb-local is filled, but not verified" in busy.stderr
        assert "is in use by process" in busy.stderr
        await sdk.add_memory(said("I bought a smoker for the bees."), infer=False)
        await sdk.flush()
    done = omnimemory_in_a_process("rebuild", "--to", "chromadb-local")
    assert done.returncode == 0, done.stderr
    assert "Resuming" in done.stderr
    assert "I bought a smoker for the bees." in await recalled("smoker", provider="chromadb-local")


# The switch


def test_switch_sets_the_provider_in_the_env_file(stocked: Path) -> None:
    write_env("# where\nOMNI_MEMORY_PROVIDER=qdrant-local\nLLM_TOP_P=0.5\n")
    done = omnimemory("rebuild", "--to", "chromadb-local", "--switch")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count(CHROMA) == 1
    assert Path(".env").read_text(encoding="utf-8") == (
        "# where\nOMNI_MEMORY_PROVIDER='chromadb-local'\nLLM_TOP_P=0.5\n"
    )
    assert "It is the store in use." in omnimemory("rebuild", "--to", "chromadb-local").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "chromadb-local", "--switch"], "has none"),
        (["--switch"], "--switch goes with --to"),
        (["--to", "chromadb-local", "--switch", "--app-id", "app"], "leave --app-id out"),
        (["--to", "filing-cabinet"], "--to 'filing-cabinet' names no store; choose qdrant-local, "),
        (["--to", "qdrant"], "set QDRANT_HOST"),
        (["--to", "chromadb-local", "--app-id", " "], "app_id is blank"),
    ],
)
def test_wrong_use_says_what_to_change(stocked: Path, arguments: list[str], says: str) -> None:
    done = omnimemory("rebuild", *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr


def test_an_environment_that_wins_over_the_env_file_is_an_error(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env("OMNI_MEMORY_PROVIDER=qdrant-local\n")
    monkeypatch.setenv("OMNI_MEMORY_PROVIDER", "qdrant-local")
    done = omnimemory("rebuild", "--to", "chromadb-local", "--switch")
    assert done.exit_code == 2
    assert "the environment says qdrant-local, which wins" in done.stderr


@pytest.mark.parametrize(
    "command", [("rebuild",), ("rebuild", "--to", "chromadb-local"), ("reindex",)], ids=" ".join
)
def test_an_unknown_app_is_not_found(stocked: Path, command: tuple[str, ...]) -> None:
    done = omnimemory(*command, "--app-id", "ap")
    assert done.exit_code == 3
    assert "the ledger holds nothing of app 'ap'; it has 'app', 'second'" in done.stderr


def test_a_server_that_is_not_there_is_unavailable(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QDRANT_URL", "http://127.0.0.1:1")
    done = omnimemory("rebuild", "--to", "qdrant-remote")
    assert done.exit_code == 5
    assert "http://127.0.0.1:1" in done.stderr


# Another embedder


@pytest.fixture
async def embedded_by_another(home: Path) -> Path:
    async with OmniMemorySDK(embedder=HashEmbedder()) as sdk:
        await sdk.add_memory(said(BEES))
        await sdk.add_memory(said("I sail a ketch on Sundays.", app_id="second"))
        await sdk.flush()
    return home


@pytest.mark.usefixtures("embedded_by_another")
async def test_reindex_embeds_everything_again() -> None:
    refused = omnimemory_in_a_process("memory", "query", "--app-id", "app", "-q", "bees")
    assert "omnimemory reindex" in refused.stderr
    done = omnimemory_in_a_process("reindex")
    assert done.returncode == 0, done.stderr
    assert "in 2 apps, checksums equal" in done.stdout
    assert await recalled("bees") == [BEES]


def test_reindex_goes_app_by_app_and_says_what_is_done(embedded_by_another: Path) -> None:
    (first,) = json.loads(omnimemory("reindex", "--app-id", "second", "--json").stdout)["apps"]
    assert first["written"] == first["memories"] > 0
    rest = omnimemory("reindex", "--json")
    assert f"Resuming: qdrant-local holds {first['memories']} memories" in rest.stderr
    assert [one["written"] > 0 for one in json.loads(rest.stdout)["apps"]] == [True, False]


# A store that has a ledger of its own


@pytest.mark.usefixtures("stocked")
async def test_to_postgresql_and_back_the_ledger_stays_where_it_is(
    home: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_URI", postgres.uri(database=postgres.database()))
    there = omnimemory_in_a_process("rebuild", "--to", "postgresql", "--json")
    assert there.returncode == 0, there.stderr
    changes = json.loads(there.stdout)["settings"]
    assert changes == {
        "OMNI_MEMORY_PROVIDER": "postgresql",
        "OMNIMEMORY_LEDGER_URL": f"sqlite:///{home}/ledger.db",
    }
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    assert await recalled("bees") == [BEES]
    back = omnimemory_in_a_process("rebuild", "--to", "qdrant-local", "--json")
    assert json.loads(back.stdout)["settings"] == {"OMNI_MEMORY_PROVIDER": "qdrant-local"}


async def test_a_ledger_on_the_postgres_of_the_store_is_kept_when_the_store_changes(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = postgres.uri(database=postgres.database(), password="secret")
    write_env(f"POSTGRES_URI={uri}\nOMNI_MEMORY_PROVIDER=postgresql\n")
    async with OmniMemorySDK(synthesis=False) as sdk:
        await sdk.add_memory(said(BEES))
        await sdk.flush()
        done = omnimemory_in_a_process("rebuild", "--to", "qdrant-local", "--switch")  # beside us
    assert done.returncode == 0, done.stderr
    assert 'OMNIMEMORY_LEDGER_URL="${POSTGRES_URI}"' in done.stdout
    assert "secret" not in done.stdout + done.stderr
    assert await recalled("bees") == [BEES]

"""The ``omnimemory`` command as a person or a script meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from omnimemory.cli.app import app
from omnimemory.cli.failures import ReportingGroup
from omnimemory.core import errors
from omnimemory.core.schemas import Message, UserMessages
from omnimemory.sdk import OmniMemorySDK

RUN = [sys.executable, "-c", "from omnimemory.cli.app import main; main()"]


def omnimemory(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RUN, *arguments], capture_output=True, text=True, encoding="utf-8", cwd=cwd, check=False, timeout=60
    )


def invoked(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
async def stocked(tmp_path: Path) -> Path:
    """A folder with one app, two users and one fact each."""
    folder = tmp_path / "home"
    async with OmniMemorySDK(home=folder) as sdk:
        for user, text in (("ann", "I keep bees behind the barn."), ("bob", "I sail a ketch on Sundays.")):
            message = Message(role="user", content=text, timestamp=datetime(2026, 5, 1, tzinfo=UTC))
            await sdk.add_memory(
                UserMessages(app_id="app", user_id=user, session_id=f"{user}-1", messages=[message])
            )
        await sdk.flush()
    return folder


def test_help_costs_little_and_loads_no_engine() -> None:
    script = (
        "import contextlib, io, sys, time\n"
        "from omnimemory.cli.app import main\n"
        "sys.argv = ['omnimemory', '--help']\n"
        "with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "heavy = {'pydantic', 'numpy', 'sqlalchemy', 'openai', 'wordllama', 'rich'} & set(sys.modules)\n"
        "print(time.process_time(), 'Exit codes' in out.getvalue(), heavy or 'light')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, documented, heavy = done.stdout.split(maxsplit=2)
    assert float(seconds) < 0.3
    assert documented == "True"
    assert heavy.strip() == "light"


def test_the_shell_completes_commands() -> None:
    asked = {"_OMNIMEMORY_COMPLETE": "complete_bash", "COMP_WORDS": "omnimemory memory ev", "COMP_CWORD": "2"}
    command = Path(sys.executable).with_name("omnimemory")
    done = subprocess.run(
        [command], capture_output=True, text=True, check=False, env={**os.environ, **asked}, timeout=60
    )
    assert done.stdout.split() == ["evolution"], done.stderr


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.startswith("omnimemory ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ModelError("refused"), 1),
        (errors.LedgerError("not a ledger"), 1),
        (errors.InvalidRequest("n_results is 0"), 2),
        (errors.ScopeError("app_id is blank"), 2),
        (errors.ConfigError("LLM_TOP_P: not a number"), 2),
        (errors.NotFound("no such memory"), 3),
        (errors.StoreLocked("process 12 holds it"), 4),
        (errors.StoreUnavailable("no answer"), 5),
        (errors.RateLimited("slow down"), 5),
    ],
)
def test_an_error_is_one_line_and_a_documented_exit_code(error: Exception, code: int) -> None:
    failing = typer.Typer(cls=ReportingGroup)

    @failing.callback()
    def root() -> None: ...

    @failing.command()
    def fail() -> None:
        raise error

    result = CliRunner().invoke(failing, ["fail"])
    assert result.exit_code == code
    assert result.stderr == f"error: {error}\n"
    assert result.stdout == ""


def test_a_query_finds_the_users_memory(stocked: Path) -> None:
    done = invoked("memory", "query", "--app-id", "app", "--user-id", "ann", "--home", str(stocked),
                      "--query", "Where are the bees?")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "bees behind the barn" in done.stdout
    assert "ketch" not in done.stdout
    assert "\x1b" not in done.stdout


def test_explain_shows_every_score_part(stocked: Path) -> None:
    done = invoked("memory", "query", "--app-id", "app", "--home", str(stocked), "-q", "bees", "--explain")
    parts = ("evidence", "contribution", "relevance", "match", "recency", "importance")
    for part in (*parts, "1 + boosts", "composite"):
        assert part in done.stdout, done.stderr


def test_json_prints_one_document_of_memories(stocked: Path) -> None:
    done = invoked("memory", "query", "--app-id", "app", "--home", str(stocked), "-q", "bees",
                      "-n", "1", "--kind", "turn", "--json")  # fmt: skip
    (found,) = json.loads(done.stdout)
    assert found["document"] == "I keep bees behind the barn."
    assert found["metadata"]["kind"] == "turn"
    assert found["composite_score"] > 0


def test_a_query_may_be_narrowed_to_a_session(stocked: Path) -> None:
    done = invoked("memory", "query", "--app-id", "app", "--home", str(stocked), "-q", "What do I keep?",
                      "--session-id", "bob-1", "--json")  # fmt: skip
    assert {found["metadata"]["user_id"] for found in json.loads(done.stdout)} == {"bob"}


def test_an_unknown_app_has_no_memories(stocked: Path) -> None:
    done = invoked("memory", "query", "--app-id", "other", "--home", str(stocked), "-q", "bees")
    assert (done.exit_code, done.stdout) == (0, "No memory matches.\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--app-id", " ", "-q", "bees"], "app_id"),
        (["--app-id", "app", "-q", "bees", "-n", "0"], "n_results"),
        (["--app-id", "app", "-q", "bees", "--threshold", "2"], "threshold"),
        (["--app-id", "app", "-q", " "], "query"),
    ],
)
def test_wrong_use_says_what_to_change(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = invoked("memory", "query", *arguments, "--home", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert "Traceback" not in done.output


async def test_a_folder_in_use_is_busy(stocked: Path) -> None:
    async with OmniMemorySDK(home=stocked) as sdk:
        await sdk.list_memories("app")
        await sdk.recall("app", "bees")
        done = omnimemory("memory", "query", "--app-id", "app", "--home", str(stocked), "-q", "bees")
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("error: ")


def test_rebuild_fills_an_emptied_store(stocked: Path) -> None:
    ask = ("memory", "query", "--app-id", "app", "--home", str(stocked), "-q", "bees", "--json")
    before = [found["memory_id"] for found in json.loads(invoked(*ask).stdout)]
    done = invoked("rebuild", "--home", str(stocked), "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rebuilt"] >= 2
    assert [found["memory_id"] for found in json.loads(invoked(*ask).stdout)] == before


def test_demo_refuses_a_missing_file(tmp_path: Path) -> None:
    done = omnimemory("demo", "--data", "missing.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read missing.json")
    assert "accepted forms" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_output_survives_a_terminal_that_is_not_unicode(tmp_path: Path) -> None:
    chat = tmp_path / "chat.json"
    chat.write_text(json.dumps([{"role": "user", "content": "I live in Zürich ☂."}]), encoding="utf-8")
    done = subprocess.run(
        [*RUN, "demo", "--data", str(chat)],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

"""Every command that works on memories, with a daemon and without: the same words, the same answers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.cli.conftest import Shell


def document(result: Any) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def added(shell: Shell, app: str, *said: str, user: str = "ann") -> Any:
    messages = [part for line in said for part in ("--message", line)]
    return document(shell("memory", "add", "--app-id", app, "--user-id", user, *messages, "--wait", "--json"))


def pasted(shell: Shell, line: str) -> Result:
    """A command that was printed as advice, as it is; its ``--home`` is the shell's."""
    words = shlex.split(line)
    assert words.pop(0) == "omnimemory"
    at = words.index("--home")
    assert words[at + 1] == str(shell.home)
    return shell(*words[:at], *words[at + 2 :])


def note_of(shell: Shell, app: str) -> str:
    listed = document(shell("memory", "list", "--app-id", app, "--kind", "note", "--json"))
    return str(listed["memories"][0]["memory_id"])


def test_the_readmes_example_works(either: Shell) -> None:
    done = either(
        "memory", "add", "--app-id", "myapp-1234567890", "--user-id", "user-1234567890",
        "--message", "user:I prefer dark mode", "--message", "assistant:Noted, I'll remember that",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "2 of 2 messages are new and stored" in done.stdout
    found = either("memory", "query", "--app-id", "myapp-1234567890", "--query", "user preferences")
    assert "I prefer dark mode" in found.stdout


def test_an_add_that_is_waited_for_tells_how_it_ended(either: Shell) -> None:
    done = added(either, "waited", "user: I keep bees behind the barn.")
    assert done["status"] == "accepted"
    assert done["task"]["status"] == "done"
    listed = document(either("memory", "list", "--app-id", "waited", "--json"))
    assert {memory["metadata"]["kind"] for memory in listed["memories"]} == {"turn", "note"}
    assert listed["count"] == len(listed["memories"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "chat.json",
            '[{"role": "user", "content": "I keep bees."}, {"role": "assistant", "content": "Oh."}]',
        ),
        ("wrapped.json", '{"messages": [{"role": "user", "content": "I keep bees."}]}'),
        (
            "chat.jsonl",
            '{"role": "user", "content": "I keep bees."}\n{"role": "user", "content": "And goats."}\n',
        ),
        ("chat.txt", "user: I keep bees.\nThree hives.\nassistant: Oh.\n"),
        ("bom.txt", "\ufeffuser: I keep bees."),
    ],
)
def test_messages_come_from_files_of_every_form(
    either: Shell, tmp_path: Path, name: str, content: str
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    app = f"files-{name}"
    done = either("memory", "add", "--app-id", app, "--user-id", "ann", "--no-infer",
                  "--messages-file", str(file), "--json")  # fmt: skip
    assert document(done)["task_id"] is None
    listed = document(either("memory", "list", "--app-id", app, "--oldest-first", "--json"))
    assert listed["memories"][0]["document"].startswith("I keep bees.")


@pytest.mark.parametrize("option", ["--messages-file", "--message"])
def test_a_dash_reads_standard_input(either: Shell, option: str) -> None:
    app = f"stdin{option}"
    done = either("memory", "add", "--app-id", app, "--user-id", "ann", "--no-infer", option, "-",
                  stdin="user: I keep goats.")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "goats" in either("memory", "query", "--app-id", app, "-q", "goats").stdout


def test_metadata_is_read_as_json_where_it_is(either: Shell) -> None:
    document(
        either("memory", "add", "--app-id", "meta", "--user-id", "ann", "--no-infer", "-m", "user: Hi there.",
               "--metadata", "stars=5", "--metadata", "shelf=top left", "--json")
    )  # fmt: skip
    (found,) = document(either("memory", "list", "--app-id", "meta", "--json"))["memories"]
    assert found["metadata"]["metadata"] == {"stars": 5, "shelf": "top left"}


def test_an_idempotency_key_stores_once(either: Shell) -> None:
    add = (
        "memory",
        "add",
        "--app-id",
        "once",
        "--user-id",
        "ann",
        "-m",
        "user: Hi.",
        "--idempotency-key",
        "k",
    )
    first, second = document(either(*add, "--json")), document(either(*add, "--json"))
    assert first["task_id"] == second["task_id"]
    other = either(*add, "-m", "user: Something else.")
    assert other.exit_code == 1
    assert other.stderr.startswith("error: ")


def test_a_memory_is_read_changed_ended_and_brought_back(either: Shell) -> None:
    added(either, "life", "user: I live in Riga.")
    note = note_of(either, "life")
    assert document(either("memory", "get", note, "--app-id", "life", "--json"))["memory_id"] == note
    assert "Riga" in either("memory", "get", note, "--app-id", "life").stdout
    changed = document(
        either("memory", "update", note, "--app-id", "life", "--text", "Ann lives in Oslo.", "--json")
    )["memory_id"]
    assert changed != note
    ended = either("memory", "delete", changed, "--app-id", "life", "--yes")
    assert ended.exit_code == 0, ended.stderr
    again = f"omnimemory memory restore {changed} --app-id life --home {either.home}"
    assert f"`{again}`" in ended.stdout
    assert either("memory", "delete", changed, "--app-id", "life", "--yes").exit_code == 3
    restored = document(pasted(either, f"{again} --json"))
    assert "Oslo" in restored["document"]
    states = document(
        either("memory", "list", "--app-id", "life", "--kind", "note", "--status", "any", "--json")
    )
    assert [m["metadata"]["status"] for m in states["memories"]] == ["active", "deleted", "updated"]


def test_the_evolution_is_a_tree_or_a_file(either: Shell, tmp_path: Path) -> None:
    added(either, "chain", "user: I live in Riga.")
    note = note_of(either, "chain")
    either("memory", "update", note, "--app-id", "chain", "--text", "Ann lives in Oslo.")
    ask = ("memory", "evolution", note, "--app-id", "chain")
    drawn = either(*ask)
    assert drawn.exit_code == 0, drawn.stderr
    assert "└── M1  updated" in drawn.stdout
    assert f"{note}\n" in drawn.stdout
    assert "MANUAL_UPDATE  M1 -> M2" in drawn.stdout
    assert "  ended User lives in Riga.\n  added Ann lives in Oslo.\n" in drawn.stdout
    for name, begins in (("e.html", "<!doctype html>"), ("e.dot", "digraph"), ("e.mmd", "flowchart LR")):
        target = tmp_path / name
        done = either(*ask, "--output", str(target))
        assert (done.exit_code, done.stdout) == (0, ""), done.stderr
        assert target.read_text(encoding="utf-8").lower().startswith(begins.lower())
    assert either(*ask, "--format", "mermaid").stdout.startswith("flowchart LR")
    assert "Oslo" in either(*ask, "--format", "markdown").stdout
    found = document(either(*ask, "--json"))
    assert found["count"] == 2
    assert found["decisions"][-1]["operation"] == "MANUAL_UPDATE"


def test_a_batch_waits_until_it_is_full_or_flushed(either: Shell) -> None:
    where = ("--app-id", "batches", "--user-id", "ann", "--session-id", "s")
    put = document(either("memory", "batch", "add", *where, "-m", "user: I keep bees.", "--json"))
    assert (put["status"], put["pending_messages"], put["task_id"]) == ("pending", 1, None)
    seen = document(either("memory", "batch", "status", *where, "--json"))
    assert (seen["status"], seen["pending_messages"], seen["batch_size"]) == ("pending", 1, 10)
    flushed = document(either("memory", "batch", "flush", *where, "--wait", "--json"))
    assert [task["status"] for task in flushed["tasks"]] == ["done"]
    assert document(either("memory", "batch", "status", *where, "--json"))["status"] == "empty"
    many = [part for n in range(10) for part in ("-m", f"user: I own hive number {n}.")]
    assert document(either("memory", "batch", "add", *where, *many, "--json"))["status"] == "flushed"


def test_an_agent_saves_summarises_and_answers(either: Shell) -> None:
    where = ("--app-id", "agents", "--user-id", "ann")
    saved = document(
        either(
            "agent",
            "add-memory",
            *where,
            "-m",
            "Ann chose the annual plan.",
            "--no-infer",
            "--wait",
            "--json",
        )
    )
    assert saved["task"]["status"] == "done"
    summary = either("agent", "summarize", *where, "-m", "user: I live in Riga.", "-m", "user: I keep bees.")
    assert summary.exit_code == 0, summary.stderr
    assert summary.stdout.strip()
    answer = document(
        either("agent", "answer", "--app-id", "agents", "-q", "Which plan did Ann choose?", "--json")
    )
    assert "annual plan" in answer["answer"]
    assert answer["memories"]


def test_tasks_are_listed_and_shown(either: Shell) -> None:
    task_id = added(either, "tasks", "user: I keep bees.")["task_id"]
    listed = document(either("tasks", "list", "--app-id", "tasks", "--status", "done", "--json"))
    assert [task["task_id"] for task in listed] == [task_id]
    assert task_id in either("tasks", "list", "--app-id", "tasks").stdout
    shown = document(either("tasks", "show", task_id, "--app-id", "tasks", "--json"))
    assert shown["status"] == "done"
    assert either("tasks", "retry", task_id, "--app-id", "tasks").exit_code == 3


def test_listings_come_in_pages(either: Shell) -> None:
    many = [part for n in range(5) for part in ("-m", f"user: Hive {n}.")]
    either("memory", "add", "--app-id", "pages", "--user-id", "ann", "--no-infer", *many)
    ask = ("memory", "list", "--app-id", "pages", "-n", "3", "--json")
    first = document(either(*ask))
    rest = document(either(*ask, "--cursor", first["next_cursor"]))
    assert [m["document"] for m in (*first["memories"], *rest["memories"])] == [
        f"Hive {n}." for n in reversed(range(5))
    ]
    assert rest["next_cursor"] is None


def test_health_truly_looks_and_info_tells(either: Shell) -> None:
    healthy = document(either("health", "--json"))
    assert (healthy["status"], healthy["store"]) == ("healthy", "qdrant-local")
    assert "memory query" in either("info").stdout
    told = document(either("info", "--json"))
    assert told["home"] == str(either.home)
    assert (told["daemon"] is not None) == healthy["daemon"]
    assert {part: check["status"] for part, check in healthy["checks"].items()} == {
        "ledger": "ok",
        "store": "ok",
        "embedder": "ok",
    }


def test_errors_are_json_too_where_json_was_asked_for(either: Shell) -> None:
    wrong = (
        (("memory", "get", UNKNOWN, "--app-id", "wrong"), 3, "NotFound", UNKNOWN),
        (("memory", "list", "--app-id", " "), 2, "ScopeError", "app_id"),
        (("memory", "list", "--limit", "0", "--app-id", "a"), 2, "InvalidRequest", "--limit"),
        (("memory", "lost"), 2, "InvalidRequest", "lost"),
    )
    for arguments, code, kind, says in wrong:
        done = either(*arguments, "--json")
        told = json.loads(done.stderr)
        assert (done.exit_code, done.stdout, told["error"]) == (code, "", kind)
        assert says in told["detail"]


UNKNOWN = "7d9f2f0e-0000-4000-8000-000000000000"
SCOPE = ("--app-id", "wrong", "--user-id", "ann")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("memory", "add", *SCOPE), 2, "--message 'user:...'"),
        (("memory", "add", *SCOPE, "-m", "no speaker"), 2, "begin with 'user:'"),
        (("memory", "add", *SCOPE, "-m", "user: "), 2, "blank"),
        (("memory", "add", *SCOPE, "-m", "user: a", "-f", "b.json"), 2, "not both"),
        (("memory", "add", *SCOPE, "-f", "missing.json"), 2, "accepted forms"),
        (("memory", "add", *SCOPE, "-m", "user: a", "-m", "-"), 2, "give it alone"),
        (("memory", "add", *SCOPE, "-m", "user: a", "--metadata", "stars"), 2, "name=value"),
        (("memory", "add", "--app-id", " ", "--user-id", "ann", "-m", "user: a"), 2, "app_id"),
        (("memory", "get", UNKNOWN, "--app-id", "wrong"), 3, UNKNOWN),
        (("memory", "get", UNKNOWN, "--app-id", "two words"), 3, "memory list --app-id 'two words' --home"),
        (("memory", "list", "--app-id", "wrong", "--cursor", "x"), 2, "cursor"),
        (("memory", "list", "--app-id", "wrong", "-n", "0"), 2, "--limit"),
        (("memory", "list", "--app-id", "wrong", "--kind", "dream"), 2, "dream"),
        (("memory", "list", "--app-id", "wrong", "--said-after", "soon"), 2, "--said-after"),
        (("memory", "update", UNKNOWN, "--app-id", "wrong"), 2, "--text"),
        (("memory", "update", UNKNOWN, "--app-id", "wrong", "--text", "x"), 3, "`omnimemory memory list"),
        (("memory", "delete", UNKNOWN, "--app-id", "wrong"), 2, "--yes"),
        (("memory", "delete", UNKNOWN, "--app-id", "wrong", "--yes"), 3, "`omnimemory memory list"),
        (("memory", "restore", UNKNOWN, "--app-id", "wrong"), 3, "`omnimemory memory list"),
        (("memory", "evolution", UNKNOWN, "--app-id", "wrong"), 3, "`omnimemory memory list"),
        (("memory", "evolution", UNKNOWN, "--app-id", "wrong", "-o", "e.xyz"), 2, "--format"),
        (("memory", "evolution", UNKNOWN, "--app-id", "wrong", "-o", "none/e.html"), 2, "no folder"),
        (("memory", "batch", "add", *SCOPE), 2, "--message"),
        (("memory", "batch", "flush", "--app-id", ""), 2, "app_id"),
        (("memory", "batch", "status", "--app-id", ""), 2, "app_id"),
        (("agent", "add-memory", *SCOPE), 2, "--message"),
        (("agent", "summarize", *SCOPE, "-m", "Hi.", "--callback-header", "A: b"), 2, "--callback-url"),
        (("agent", "summarize", *SCOPE, "-m", "Hi.", "--callback-url", "http://127.0.0.1/x"), 2, "127.0.0.1"),
        (("agent", "answer", "--app-id", "wrong", "-q", " "), 2, "query"),
        (("tasks", "list", "--app-id", "wrong", "--status", "lost"), 2, "lost"),
        (("tasks", "show", UNKNOWN, "--app-id", "wrong"), 3, "`omnimemory tasks list"),
        (("tasks", "retry", UNKNOWN, "--app-id", "wrong"), 3, "tasks list --status parked"),
        (("keys", "create", "--label", " "), 2, "label"),
        (("keys", "create", "--label", "a", "--right", "rule"), 2, "rule"),
        (("keys", "revoke", "none", "--yes"), 3, "`omnimemory keys list"),
        (("keys", "revoke", "none"), 2, "--yes"),
        (("serve", "--port", "70000"), 2, "--port"),
        (("serve", "--workers", "2"), 2, "OMNIMEMORY_HOME"),
    ],
)
def test_what_is_wrong_is_said_on_stderr_with_what_to_do(
    either: Shell, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = either(*arguments)
    assert (done.exit_code, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[{}, 3]", "message 1"),
        ('[{"role": "user", "content": "a"}, 3]', "message 2 is not an object"),
        ('[{"role": "king", "content": "a"}]', "role"),
        ('{"role": "user", "content": "a"}\n\n{"role": ', "line 3 is not JSON"),
        ('{"role": "user", "content": "a"}\n{"role": "king", "content": "a"}', "line 2: role"),
        ('[\n{"role": "user", "content": "a"},\n{"role": }\n]', "at line 3"),
        ("[" * 100_000, "is not JSON"),
        ("   \n", "is empty"),
        ("hello\nuser: a", "does not say who"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    either: Shell, tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "chat"
    file.write_text(content, encoding="utf-8")
    done = either("memory", "add", *SCOPE, "-f", str(file))
    assert done.exit_code == 2
    assert says in done.stderr
    assert document(either("memory", "list", "--app-id", "wrong", "--json"))["count"] == 0


@pytest.mark.parametrize("given", ["2024-01-01", "2024-01-01T00:00:00", "2024-01-01T02:00:00+02:00"])
def test_a_time_without_a_zone_is_utc(either: Shell, tmp_path: Path, given: str) -> None:
    file = tmp_path / "chat.json"
    file.write_text(json.dumps([{"role": "user", "content": "Hi there.", "timestamp": given}]))
    app = f"times {given}"
    done = either("memory", "add", "--app-id", app, "--user-id", "ann", "--no-infer", "-f", str(file))
    assert done.exit_code == 0, done.stderr
    (found,) = document(either("memory", "list", "--app-id", app, "--json"))["memories"]
    assert found["metadata"]["occurred_at"] == "2024-01-01T00:00:00Z"


def test_a_file_that_is_not_text_is_refused(either: Shell, tmp_path: Path) -> None:
    file = tmp_path / "chat"
    file.write_bytes(b"\xff\xfe\x00user")
    assert "UTF-8" in either("memory", "add", *SCOPE, "-f", str(file)).stderr
    assert "cannot read" in either("memory", "add", *SCOPE, "-f", str(tmp_path)).stderr


def test_keys_are_shown_once_listed_and_revoked(either: Shell) -> None:
    made = document(
        either("keys", "create", "--label", "shop", "--app-id", "shop", "--right", "read", "--json")
    )
    assert made["secret"].startswith("om_")
    assert (made["apps"], made["rights"], made["active"]) == (["shop"], ["read"], True)
    (listed,) = document(either("keys", "list", "--json"))
    assert "secret" not in listed
    assert "hash" not in listed
    assert document(either("keys", "revoke", made["id"], "--yes", "--json"))["active"] is False
    assert "revoked" in either("keys", "list").stdout

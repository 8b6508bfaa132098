"""What counts as a conversation file, and what is said about one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omnimemory.core.errors import InvalidRequest
from omnimemory.demo.conversations import read_conversations


def saved(folder: Path, content: object, name: str = "chat.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_bundled_conversations_have_enough_to_remember() -> None:
    bundled = read_conversations()
    assert len(bundled.users) >= 4
    assert bundled.turn_count >= 80
    months = {turn.said_at.month for user in bundled.users for turn in bundled.turns_of(user) if turn.said_at}
    assert len(months) >= 6
    for user in bundled.users:
        assert sum(session.user == user for session in bundled.sessions()) >= 3


def test_every_bundled_question_names_turns_that_exist() -> None:
    bundled = read_conversations()
    ids = {turn.id for conversation in bundled.conversations for turn in conversation.turns}
    for question in bundled.questions:
        assert bundled.user_of(question.conversation) is not None
        assert ids.issuperset(question.gold)


def test_a_bare_list_of_messages_is_one_conversation(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        [
            {"role": "user", "content": "I like tea.", "timestamp": "2026-01-31T09:00:00+02:00"},
            {"role": "assistant", "content": "Noted."},
        ],
    )
    (session,) = read_conversations(path).sessions()
    assert [turn.text for turn in session.turns] == ["I like tea.", "Noted."]
    assert session.turns[0].said_at is not None
    assert session.turns[0].said_at.isoformat() == "2026-01-31T07:00:00+00:00"
    assert len({turn.id for turn in session.turns}) == 2


def test_lines_of_messages_are_one_conversation(tmp_path: Path) -> None:
    lines = '{"role": "user", "content": "I like tea."}\n\n{"role": "assistant", "content": "Noted."}\n'
    assert read_conversations(saved(tmp_path, lines, "chat.jsonl")).turn_count == 2


def test_lines_of_conversations_are_several(tmp_path: Path) -> None:
    line = '{"id": "%s", "messages": [{"role": "user", "content": "I like tea."}]}\n'
    assert read_conversations(saved(tmp_path, line % "a" + line % "b")).users == ("a", "b")


def test_a_single_message_is_a_conversation(tmp_path: Path) -> None:
    assert read_conversations(saved(tmp_path, {"role": "user", "content": "I like tea."})).turn_count == 1


def test_content_given_in_parts_keeps_its_text(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]
    path = saved(tmp_path, [{"role": "user", "content": parts}, {"role": "assistant", "content": None}])
    assert [turn.text for turn in read_conversations(path).turns_of("user")] == ["Look:"]


def test_sessions_are_put_in_order_of_time(tmp_path: Path) -> None:
    turns = [
        {"session": 2, "time": "2026-03-01T08:00:00Z", "role": "user", "text": "third"},
        {"session": 1, "time": "2026-01-01T08:01:00Z", "role": "user", "text": "second"},
        {"session": 1, "time": "2026-01-01T08:00:00Z", "role": "user", "text": "first"},
    ]
    sessions = read_conversations(
        saved(tmp_path, {"conversations": [{"id": "c", "turns": turns}]})
    ).sessions()
    assert [turn.text for session in sessions for turn in session.turns] == ["first", "second", "third"]


def test_without_times_the_order_of_the_file_stands(tmp_path: Path) -> None:
    turns = [{"session": s, "time": None, "role": "user", "text": s} for s in ("b", "a")]
    sessions = read_conversations(
        saved(tmp_path, {"conversations": [{"id": "c", "turns": turns}]})
    ).sessions()
    assert [session.id for session in sessions] == ["c/b", "c/a"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("hello there", "is not JSON"),
        ("[[[", "is not JSON"),
        ('{"a": 1', "is not JSON"),
        ("[]", "no message"),
        ("[1, 2]", "another form"),
        ('"text"', "another form"),
        ('{"conversations": []}', "no message"),
        ('{"conversations": [{"id": "c", "turns": []}]}', "no message"),
        ('[{"role": "user", "content": "  "}]', "no message"),
        ('[{"role": "wizard", "content": "hi"}]', "role"),
        ('[{"content": "hi"}]', "role"),
        ('[{"role": "user"}]', "text"),
        ('[{"role": "user", "content": "hi", "timestamp": "soon"}]', "time"),
        ('{"conversations": {"id": "c"}}', "conversations"),
    ],
)
def test_another_form_is_refused_with_the_accepted_ones(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as refused:
        read_conversations(saved(tmp_path, content))
    assert "accepted forms" in str(refused.value)


def test_two_turns_with_one_id_are_refused(tmp_path: Path) -> None:
    turn = {"id": "t", "role": "user", "text": "hi"}
    with pytest.raises(InvalidRequest, match="same id"):
        read_conversations(saved(tmp_path, {"conversations": [{"id": "c", "turns": [turn, turn]}]}))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "chat.json"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for path in (tmp_path / "missing.json", tmp_path, binary):
        with pytest.raises(InvalidRequest, match=path.name):
            read_conversations(path)

"""What the demo asks comes from the file and its notes, never from known names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from omnimemory.core.schemas import Memory, MemoryKind, Statement
from omnimemory.demo.conversations import Conversations
from omnimemory.demo.questions import STRANGER, forbidden_of, own_words, questions_of


def said(**turns: list[str]) -> Conversations:
    return Conversations.model_validate(
        {
            "conversations": [
                {"id": user, "user": user, "turns": [{"role": "user", "text": text} for text in texts]}
                for user, texts in turns.items()
            ]
        }
    )


def asking(*questions: Mapping[str, object]) -> Conversations:
    document = said(ann=["I keep bees."], bob=["I sail."]).model_dump()
    return Conversations.model_validate({**document, "questions": questions})


def note(user: str, statement: str, *queries: str) -> Memory:
    return Memory(
        id=f"{user}-note",
        app_id="app",
        user_id=user,
        kind=MemoryKind.NOTE,
        text=statement,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        statements=(Statement(id="s1", text=statement),),
        queries=queries,
    )


def test_the_questions_of_the_file_come_first() -> None:
    given = asking({"conversation": "ann", "question": "What does Ann keep?", "gold": ["1"]})
    (question,) = questions_of(given, {"bob": [note("bob", "Bob sails.")]})
    assert (question.user_id, question.question, question.gold) == ("ann", "What does Ann keep?", ("1",))


def test_a_question_about_an_absent_conversation_is_left_out() -> None:
    assert questions_of(asking({"conversation": "zoe", "question": "Who?"}), {}) == []


def test_without_questions_the_notes_supply_them() -> None:
    notes = {
        "ann": [note("ann", "Ann keeps bees.", "What does Ann keep?")],
        "bob": [note("bob", "Bob sails.")],
    }
    asked = questions_of(said(ann=["x"], bob=["y"]), notes)
    assert [item.question for item in asked] == ["What does Ann keep?", "Bob sails."]


def test_questions_alternate_between_users_up_to_the_limit() -> None:
    given = asking(*({"conversation": who, "question": f"{who}?"} for who in ("ann", "ann", "bob")))
    assert [item.user_id for item in questions_of(given, {}, limit=2)] == ["ann", "bob"]


def test_each_user_is_asked_for_what_only_another_one_said() -> None:
    given = said(ann=["I like tea.", "My bees live behind the barn."], bob=["I like tea.", "I sail a ketch."])
    probes = {(item.asker, item.owner): item.question for item in forbidden_of(given)}
    assert probes == {
        ("bob", "ann"): "My bees live behind the barn.",
        ("ann", "bob"): "I sail a ketch.",
    }


def test_a_lone_user_is_asked_about_by_a_stranger() -> None:
    (probe,) = forbidden_of(said(ann=["My bees live behind the barn."]))
    assert (probe.asker, probe.owner) == (STRANGER, "ann")


def test_a_file_may_name_its_own_forbidden_questions() -> None:
    given = asking({"conversation": "bob", "question": "Where are the bees?", "owner": "ann"})
    first = forbidden_of(given)[0]
    assert (first.asker, first.owner, first.question) == ("bob", "ann", "Where are the bees?")
    assert questions_of(given, {}) == []


def test_own_words_leave_out_what_others_say_too() -> None:
    words = own_words(said(ann=["green tea"], bob=["black tea"]), "ann", beside=["bob"])
    assert words == {"green"}

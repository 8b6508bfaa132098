"""Typed answers out of whatever a model writes."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, Field

from omnimemory.core.errors import InvalidModelOutput, ModelError, ModelUnavailable, RateLimited
from omnimemory.models.base import ChatModel, Prompt, Usage
from omnimemory.models.json_schema import strict_schema, with_schema
from omnimemory.models.retrying import Retries, with_retries
from omnimemory.models.structured import ask, read, write
from omnimemory.testing.replies import Fault, Replies
from omnimemory.testing.scripted import ScriptedChatModel

AT_ONCE = Retries(attempts=3, base=0.0)
PROMPT = Prompt(system="You describe drinks.", user="Coffee, black.")


class Taste(StrEnum):
    BITTER = "bitter"
    SWEET = "sweet"


class Origin(BaseModel):
    country: str = Field(default="unknown", max_length=40)


class Drink(BaseModel):
    name: str
    taste: Taste = Field(default=Taste.BITTER, description="how it tastes")
    origin: Origin = Field(default_factory=Origin, description="where from")
    extras: list[str] = Field(default_factory=list, max_length=3)
    note: str | None = None


COFFEE = Drink(name="coffee, }black{", extras=["sugar,]"])
JSON = COFFEE.model_dump_json()


async def drink(replies: Replies, usage: Usage | None = None, **more: Any) -> Drink:
    model = ScriptedChatModel(replies)
    return await ask(model, PROMPT, Drink, agent="Barista", usage=usage or Usage(), retries=AT_ONCE, **more)


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"```json\n{JSON}\n```",
        f"```\n{JSON}\n```",
        f"Sure! Here is {{what}} you asked for: {JSON} Anything else?",
        f'<think>{{"name": "tea"}} or so?</think>\n{JSON}',
        JSON[:-1] + ",}",
        JSON.replace('"sugar,]"]', '"sugar,]", ]'),
        f"\ufeff{JSON}",
    ],
    ids=[
        "plain",
        "fenced json",
        "fenced",
        "prose",
        "thinking",
        "trailing comma",
        "comma in list",
        "byte order mark",
    ],
)
async def test_reads_the_object_wherever_the_model_put_it(text: str) -> None:
    assert await drink([text, "no second ask should be needed"]) == COFFEE


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("", "empty"),
        ("I would rather not.", "no complete JSON object"),
        (JSON[: len(JSON) // 2], "no complete JSON object"),
        ('{"taste": "salty"}', "name: Field required; taste: Input should be 'bitter' or 'sweet'"),
        ("[1, 2]", "no complete JSON object"),
        ('{"name": ' * 3000, "no complete JSON object"),
    ],
    ids=["empty", "prose", "cut off", "invalid", "a list", "endless nesting"],
)
async def test_a_wrong_answer_is_asked_for_once_more_with_what_was_wrong(wrong: str, complaint: str) -> None:
    model = ScriptedChatModel([wrong, JSON])
    usage = Usage()
    assert await ask(model, PROMPT, Drink, agent="Barista", usage=usage) == COFFEE
    assert usage.calls == 2
    assert usage.by_agent == {"Barista": 2}
    first, second = model.prompts
    assert first == PROMPT
    assert complaint in second.user
    assert PROMPT.user in second.user
    assert '"additionalProperties":false' in second.system


async def test_a_second_wrong_answer_fails_by_name() -> None:
    with pytest.raises(InvalidModelOutput, match=r"Barista agent .* scripted.*name: Field required"):
        await drink(["prose", "{}", JSON])


async def test_a_part_of_a_cut_off_answer_is_not_taken_for_the_whole() -> None:
    class Order(BaseModel):
        drinks: list[Drink] = []
        table: int = 0
        note: str | None = None

    assert read('{"drinks": [{"name": "tea"}, {"name": "cof', Order).value is None


async def test_a_check_may_refuse_what_is_well_formed() -> None:
    def has_country(value: Drink) -> str | None:
        return None if value.origin.country != "unknown" else "say which country it comes from"

    model = ScriptedChatModel([JSON, '{"name": "coffee", "origin": {"country": "Peru"}}'])
    found = await ask(model, PROMPT, Drink, agent="Barista", usage=Usage(), check=has_country)
    assert found.origin.country == "Peru"
    assert "say which country" in model.prompts[1].user
    with pytest.raises(InvalidModelOutput, match="say which country"):
        await drink(JSON, check=has_country)


async def test_transient_errors_are_tried_again_and_others_are_not() -> None:
    usage = Usage()
    assert await drink([Fault.error(500), Fault.rate_limited(0), JSON], usage) == COFFEE
    assert usage.calls == 1
    with pytest.raises(ModelUnavailable):
        await drink([Fault.error(500)] * 3 + [JSON])
    with pytest.raises(ModelError) as refused:
        await drink([Fault.error(400), JSON])
    assert not refused.value.transient


async def test_plain_text_is_trimmed_and_an_empty_answer_asked_for_again() -> None:
    model = ScriptedChatModel(["<think>hm</think>  ", " Black coffee. "])
    usage = Usage()
    assert await write(model, PROMPT, agent="Answer", usage=usage) == "Black coffee."
    assert usage.calls == 2
    with pytest.raises(InvalidModelOutput, match="Answer agent"):
        await write(ScriptedChatModel(""), PROMPT, agent="Answer", usage=usage)


def test_schemas_suit_strict_mode() -> None:
    schema = strict_schema(Drink)
    assert schema["title"] == "Drink"
    assert schema["required"] == ["name", "taste", "origin", "extras", "note"]
    text = json.dumps(schema)
    for refused in ("default", "maxLength"):
        assert refused not in text
    assert schema["properties"]["taste"]["enum"] == ["bitter", "sweet"]
    assert schema["properties"]["origin"]["additionalProperties"] is False
    assert schema["properties"]["origin"]["required"] == ["country"]


async def test_a_model_without_a_script_gives_a_valid_answer() -> None:
    model = ScriptedChatModel()
    assert isinstance(model, ChatModel)
    assert (await ask(model, PROMPT, Drink, agent="Barista", usage=Usage())).name == "text"
    told = with_schema(PROMPT, strict_schema(Drink))
    assert Drink.model_validate_json((await model.complete(told)).text).name == "text"


async def test_waits_grow_up_to_the_cap_and_obey_the_endpoint() -> None:
    waits: list[float] = []

    async def waited(seconds: float) -> None:
        waits.append(seconds)

    async def failing(error: ModelError) -> None:
        raise error

    patience = Retries(attempts=5, base=1.0, cap=3.0)
    with pytest.raises(ModelUnavailable):
        await with_retries(
            lambda: failing(ModelUnavailable("down")), retries=patience, sleep=waited, jitter=lambda: 1.0
        )
    assert waits == [1.0, 2.0, 3.0, 3.0]
    waits.clear()
    with pytest.raises(RateLimited):
        await with_retries(
            lambda: failing(RateLimited("slow", retry_after=2.5)),
            retries=patience,
            sleep=waited,
            jitter=lambda: 0.1,
        )
    assert waits == [2.5] * 4
    waits.clear()
    with pytest.raises(RateLimited):
        await with_retries(
            lambda: failing(RateLimited("slow", retry_after=60)), retries=patience, sleep=waited
        )
    assert waits == []

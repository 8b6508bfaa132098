"""Typed answers from models that only write text: ask, read, check, repair once, or fail by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from omnimemory.core.base import describe
from omnimemory.core.errors import InvalidModelOutput
from omnimemory.models.base import ChatModel, Completion, Prompt, Usage
from omnimemory.models.json_schema import schema_text, strict_schema
from omnimemory.models.retrying import Retries, with_retries

T = TypeVar("T", bound=BaseModel)

_FENCE = re.compile(r"```(?:json)?\s*\n?(.*?)```", re.DOTALL | re.IGNORECASE)
_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_STRING_OR_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_TRIES = 100
"""Opening braces tried in prose; each costs a look at the rest of the text."""
_SHOWN = 4000
"""Characters of a wrong answer, and of the complaint about it, that the repair ask repeats."""


async def ask(
    model: ChatModel,
    prompt: Prompt,
    output: type[T],
    *,
    agent: str,
    usage: Usage,
    max_tokens: int | None = None,
    check: Callable[[T], str | None] | None = None,
    retries: Retries = Retries(),  # noqa: B008  # frozen
) -> T:
    """The model's answer as an ``output``.

    ``check`` returns what is wrong with a well-formed answer, or None. An answer that cannot be
    read, is not valid or fails the check is asked for once more, with what was wrong with it.
    Transient errors of either call are retried. Every answer is added to ``usage``.

    Raises:
        InvalidModelOutput: the second answer was no better; names the agent and the cause.
        ModelError: the model refused, or failed more often than ``retries`` allows.
    """
    schema = strict_schema(output)

    async def once(asked: Prompt) -> Completion:
        completion = await with_retries(
            lambda: model.complete(asked, json_schema=schema, max_tokens=max_tokens), retries=retries
        )
        usage.add(agent, completion)
        return completion

    first = await once(prompt)
    answer = read(first.text, output, check)
    if answer.value is None:
        second = await once(_repair(prompt, first.text, answer.complaint, schema))
        answer = read(second.text, output, check)
    if answer.value is None:
        raise InvalidModelOutput(
            f"the {agent} agent got no usable answer from {model.name}, also when asked again: "
            f"{answer.complaint}"
        ) from answer.cause
    return answer.value


async def write(
    model: ChatModel,
    prompt: Prompt,
    *,
    agent: str,
    usage: Usage,
    max_tokens: int | None = None,
    retries: Retries = Retries(),  # noqa: B008  # frozen
) -> str:
    """The model's answer as plain text, trimmed and without its thinking. An empty one is asked for again.

    Raises:
        InvalidModelOutput: the second answer was empty too; names the agent.
        ModelError: as ``ask``.
    """
    for _ in range(2):
        completion = await with_retries(
            lambda: model.complete(prompt, max_tokens=max_tokens), retries=retries
        )
        usage.add(agent, completion)
        if text := _THINKING.sub("", completion.text).strip():
            return text
    raise InvalidModelOutput(f"the {agent} agent got an empty answer from {model.name} twice")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was read: a value, or the complaint about the text."""

    value: T | None = None
    complaint: str = ""
    cause: ValidationError | None = None


def read(text: str, output: type[T], check: Callable[[T], str | None] | None = None) -> Answer[T]:
    """The first JSON object in ``text`` that is a valid ``output``, or why there is none."""
    if not text.strip():
        return Answer(complaint="the answer is empty")
    failed: Answer[T] = Answer(complaint="the answer holds no complete JSON object (cut off, or prose)")
    for number, found in enumerate(_objects(text, frozenset(output.model_fields))):
        try:
            value = output.model_validate_json(json.dumps(found))
        except ValidationError as exc:
            if number == 0:
                failed = Answer(complaint=_complaint(exc), cause=exc)
            continue
        wrong = check(value) if check else None
        if wrong is None:
            return Answer(value=value)
        failed = Answer(complaint=wrong)
    return failed


def _objects(text: str, fields: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects of an answer, likeliest first: all of it, the fenced parts, then inside the prose.

    One inside the prose needs half of the ``fields``: in an answer that was cut off, the first whole object
    is a part of the one that was meant.
    """
    spoken = _THINKING.sub("", text)
    for candidate in (spoken, *_FENCE.findall(spoken)):
        if isinstance(found := _loads(candidate), dict):
            yield found
    decoder = json.JSONDecoder()
    tidy = _without_trailing_commas(spoken)
    position = tidy.find("{")
    for _ in range(_TRIES):
        if position < 0:
            return
        try:
            found, end = decoder.raw_decode(tidy, position)
        except (ValueError, RecursionError):
            end = position + 1
        else:
            if 2 * len(fields & found.keys()) >= len(fields):
                yield found
        position = tidy.find("{", end)


def _loads(text: str) -> Any:
    try:
        return json.loads(_without_trailing_commas(text.strip()))
    except (ValueError, RecursionError):
        return None


def _without_trailing_commas(text: str) -> str:
    return _STRING_OR_COMMA.sub(lambda match: match.group(1) or "", text)


def _complaint(error: ValidationError) -> str:
    return f"the JSON does not obey the schema: {describe(error)}"[:_SHOWN]


def _repair(prompt: Prompt, wrong: str, complaint: str, schema: dict[str, Any]) -> Prompt:
    shown = wrong.strip()[:_SHOWN] or "(nothing)"
    return Prompt(
        system=f"{prompt.system}\n\n{schema_text(schema)}",
        user=(
            f"{prompt.user}\n\nYour previous answer could not be used.\n"
            f"What was wrong: {complaint}\n"
            f"The answer was:\n{shown}\n\nAnswer again, complete and corrected."
        ),
    )

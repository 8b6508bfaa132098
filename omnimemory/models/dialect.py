"""What one endpoint does not accept, learnt from its refusals and remembered."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from omnimemory.models.json_schema import schema_text

Body = dict[str, Any]
Form = Callable[[Body], None]


def _without(name: str) -> Form:
    def drop(body: Body) -> None:
        body.pop(name, None)

    return drop


def _as_completion_tokens(body: Body) -> None:
    body["max_completion_tokens"] = body.pop("max_tokens")


def _as_json_mode(body: Body) -> None:
    _tell_schema(body)
    body["response_format"] = {"type": "json_object"}


def _as_plain_text(body: Body) -> None:
    _tell_schema(body)
    del body["response_format"]


def _tell_schema(body: Body) -> None:
    first, *rest = body["messages"]
    schema = body["response_format"]["json_schema"]["schema"]
    body["messages"] = [{**first, "content": f"{first['content']}\n\n{schema_text(schema)}"}, *rest]


def _as_floats(body: Body) -> None:
    body["encoding_format"] = "float"


_FORMS: Mapping[str, tuple[Form, ...]] = {
    "response_format": (_as_json_mode, _as_plain_text),
    "max_tokens": (_as_completion_tokens, _without("max_tokens")),
    "temperature": (_without("temperature"),),
    "top_p": (_without("top_p"),),
    "encoding_format": (_as_floats, _without("encoding_format")),
    "dimensions": (_without("dimensions"),),
}
"""For each parameter that may be refused: what is sent instead, the least loss first."""

_WORDS: Mapping[str, re.Pattern[str]] = {
    "response_format": re.compile(r"response[_ ]format|json_schema|json_object|structured output", re.I),
    "max_tokens": re.compile(r"max_tokens|max_completion_tokens", re.I),
    "temperature": re.compile(r"\btemperature\b", re.I),
    "top_p": re.compile(r"\btop_p\b", re.I),
    "encoding_format": re.compile(r"encoding_format|base64", re.I),
    "dimensions": re.compile(r"\bdimensions\b", re.I),
}


class Dialect:
    """Turns a request into one the endpoint accepts, as far as is known.

    ``plain_schema``: the endpoint is known to ignore ``response_format`` without an error.
    """

    def __init__(self, *, plain_schema: bool = False) -> None:
        self._used = {"response_format": len(_FORMS["response_format"])} if plain_schema else {}

    @property
    def used(self) -> Mapping[str, int]:
        """For each refused parameter, how many of its forms were given up; a snapshot."""
        return dict(self._used)

    def speak(self, body: Mapping[str, Any]) -> Body:
        spoken = dict(body)
        for name, number in self._used.items():
            if name in spoken:
                _FORMS[name][number - 1](spoken)
        return spoken

    def learn(
        self, body: Mapping[str, Any], sent: Mapping[str, int], *, param: str | None, message: str
    ) -> bool:
        """Take note of a refusal; True when there is another form to try.

        ``sent`` is what ``used`` was when the refused request went out: of several requests that
        are refused at once, the first teaches and the others just follow.
        """
        name = _refused(body, param, message)
        if name is None:
            return False
        if self._used.get(name, 0) > sent.get(name, 0):
            return True
        if sent.get(name, 0) >= len(_FORMS[name]):
            return False
        self._used[name] = sent.get(name, 0) + 1
        return True


def _refused(body: Mapping[str, Any], param: str | None, message: str) -> str | None:
    if param:
        steps = re.split(r"[.\[\]]", param.replace("max_completion_tokens", "max_tokens"))
        return next((step for step in steps if step in _FORMS and step in body), None)
    # Many compatible servers leave the error's fields empty. Then, and only then, the text may say
    # which of the parameters that were sent it is about.
    return next((name for name, words in _WORDS.items() if name in body and words.search(message)), None)

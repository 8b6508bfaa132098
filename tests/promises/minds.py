"""What a scripted chat model answers: notes that follow from what was said, decisions of one mind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from omnimemory.agents.chat import ModelAgents
from omnimemory.models.openai_compatible import OpenAIChatModel
from omnimemory.models.retrying import Retries
from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import Replies, Request

Answer = dict[str, Any]

_TURN = re.compile(r"^(T\d+) \| .*? \| user[^:\n]*: (.+)$", re.MULTILINE)
_STATEMENT = re.compile(r"^((N|M\d+)\.s\d+) \| [^,\n]*(?:, \w+)?: (.+)$", re.MULTILINE)

EPISODE = json.dumps({"communication": "Brief and factual."})


def agents_of(server: ScriptedModelServer, *, patience: float = 5.0) -> ModelAgents:
    """The agents over ``server``, quick to try again; a request may take ``patience`` seconds."""
    chat = OpenAIChatModel(base_url=server.base_url, model="scripted", timeout=patience)
    return ModelAgents(chat, retries=Retries(attempts=2, base=0.01, cap=0.05))


def sensible() -> dict[str, Replies]:
    """Notes that say what the user said; a new value takes the place of the old ones."""
    return {"Episode": EPISODE, "Narrative": narrative, "Resolving": deciding(replace)}


def narrative(request: Request) -> str:
    """Each sentence of the user's, as it stands."""
    said = _TURN.findall(_asked(request))
    return json.dumps(
        {
            "narrative": " ".join(text for _, text in said),
            "statements": [{"text": text, "turns": [label]} for label, text in said],
        }
    )


class Shown:
    """The labelled statements that a resolver was shown: of the new note, and of each old one."""

    def __init__(self, request: Request) -> None:
        found = _STATEMENT.findall(_asked(request))
        self.texts: dict[str, str] = {label: text for label, _, text in found}
        self.new = [label for label, note, _ in found if note == "N"]
        self.old: dict[str, list[str]] = {}
        for label, note, _ in found:
            if note != "N":
                self.old.setdefault(note, []).append(label)


def deciding(mind: Callable[[Shown], Answer]) -> Callable[[Request], str]:
    return lambda request: json.dumps(mind(Shown(request)))


def replace(shown: Shown) -> Answer:
    """Whatever was known is over."""
    decisions = [decision(note, "DELETE", contradicted=labels) for note, labels in shown.old.items()]
    return {"decisions": decisions}


def merge(shown: Shown) -> Answer:
    """Everything goes on in one note, statement by statement."""
    return {
        "decisions": [decision(note, "UPDATE") for note in shown.old],
        "consolidated": consolidated(shown, shown.texts),
    }


def known_already(shown: Shown) -> Answer:
    """Nothing new: the first old note says all of it."""
    first, *_ = shown.old
    return {"decisions": [decision(first, "SKIP", repeats=shown.new)]}


def decision(
    note: str, operation: str, *, contradicted: Iterable[str] = (), repeats: Iterable[str] = ()
) -> Answer:
    return {
        "memory": note,
        "operation": operation,
        "confidence": 0.9,
        "reasoning": f"Scripted: {operation}.",
        "contradicted": list(contradicted),
        "repeats": list(repeats),
    }


def consolidated(shown: Shown, labels: Iterable[str]) -> Answer:
    """A note that carries the statements ``labels`` on, each in its own words."""
    told = {label: shown.texts[label] for label in labels}
    kept = [{"text": text, "carries": [label]} for label, text in told.items()]
    return {"summary": " ".join(told.values()), "statements": kept}


def _asked(request: Request) -> str:
    return str(request["messages"][-1]["content"])

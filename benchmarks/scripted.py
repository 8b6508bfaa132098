"""A chat model whose answers follow from what it is asked, as a real one's would.

In this process for the engine's own time; as a process of its own, ``python -m benchmarks.scripted
DELAY``, for what a caller waits behind HTTP. It prints its base URL and runs until its input ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from omnimemory.testing.model_server import ScriptedModelServer
from omnimemory.testing.replies import Replies, Request

_TURN = re.compile(r"^(T\d+)\b[^\n]*?\buser\b[^:\n]*: (.+)$", re.MULTILINE)
_STATEMENT = re.compile(r"^((N|M\d+)\.s\d+) \| .*?day: (.+)$", re.MULTILINE)

_EPISODE = json.dumps(
    {
        "intent": "Kept the assistant up to date about several matters at home and at work.",
        "worked_strategies": ["Short confirmations after each fact", "One matter at a time"],
        "communication": "Brief and factual; names people and places.",
        "problem_solving": "Goes from one matter to the next without looking back.",
        "engagement": "Answered every confirmation with the next fact.",
        "optimal_approach": "Confirm briefly and ask only when something is unclear.",
        "recommended": ["Keep confirmations to one sentence"],
        "avoid": ["Long explanations nobody asked for"],
    }
)


def _narrative(request: Request) -> str:
    said = _TURN.findall(_asked(request))
    return json.dumps(
        {
            "narrative": " ".join(text for _, text in said),
            "statements": [{"text": text, "turns": [label]} for label, text in said],
            "tags": ["household", "plans", "places"],
            "keywords": sorted({word for _, text in said for word in text.split() if word.istitle()})[:10],
            "queries": [f"What about this: {text}" for _, text in said[:3]],
            "follow_ups": ["How did it go on?"],
            "depth": "medium",
        }
    )


def _resolving(request: Request) -> str:
    """Every linked note is an UPDATE: its statements and the new ones go on, near ones as one."""
    shown = _STATEMENT.findall(_asked(request))
    old = sorted({note for _, note, _ in shown if note != "N"})
    carried: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for label, _, text in shown:
        subject = text.partition(" is in ")[0]
        carried.setdefault(subject, []).append(label)
        texts.setdefault(subject, text)  # the new note is shown first
    return json.dumps(
        {
            "decisions": [
                {
                    "memory": note,
                    "operation": "UPDATE",
                    "confidence": 0.9,
                    "reasoning": "The new talk adds to it.",
                }
                for note in old
            ],
            "consolidated": {
                "summary": " ".join(texts.values()),
                "statements": [{"text": texts[subject], "carries": carried[subject]} for subject in texts],
                "tags": ["household", "plans"],
                "keywords": ["places"],
                "depth": "medium",
            },
        }
    )


def _asked(request: Request) -> str:
    return str(request["messages"][-1]["content"])


def answers() -> dict[str, Replies]:
    """By the agents' output classes."""
    return {"Episode": _EPISODE, "Narrative": _narrative, "Resolving": _resolving}


@contextmanager
def model_process(delay: float) -> Iterator[str]:
    """The base URL of a model that thinks for ``delay`` seconds, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.scripted", str(delay)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.communicate()


def main() -> None:
    with ScriptedModelServer(answers(), delay=float(sys.argv[1])) as server:
        print(server.base_url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

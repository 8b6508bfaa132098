"""The schema says what the server does: schemathesis makes requests from it, right and wrong ones."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from pydantic import BaseModel

from omnimemory.api import answers, bodies, server_answers
from omnimemory.api.server import create_app
from omnimemory.core.schemas import Memory

from .serving import Running, bearer

KEY = "a-key-for-the-schema-test"
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "5"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("schema")
    with Running(home=home, api_keys=KEY, rate_limit=0, shutdown_seconds=0) as running:
        yield running


DOCUMENT = create_app().openapi()
CALLS = [
    pytest.param(path, call, id=call["operationId"])
    for path, calls in DOCUMENT["paths"].items()
    for call in calls.values()
]
MODELS = [
    model
    for module in (bodies, answers, server_answers)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ == module.__name__
]


@pytest.mark.parametrize(("path", "call"), CALLS)
def test_every_call_and_parameter_is_described(path: str, call: dict[str, Any]) -> None:
    assert call["description"]
    assert re.fullmatch(r"[a-z_]+", call["operationId"]), "the name of a generated client's method"
    for parameter in call.get("parameters", ()):
        assert parameter["description"], (path, parameter["name"])


@pytest.mark.parametrize(("path", "call"), CALLS)
def test_every_answer_tells_its_headers(path: str, call: dict[str, Any]) -> None:
    stores = any(parameter["name"] == "Idempotency-Key" for parameter in call.get("parameters", ()))
    for status, answer in call["responses"].items():
        assert "X-Request-ID" in answer["headers"]
        assert ("Retry-After" in answer["headers"]) is (status in ("429", "503"))
        assert ("Idempotent-Replayed" in answer["headers"]) is (stores and status in ("200", "202"))


@pytest.mark.parametrize("name", DOCUMENT["components"]["schemas"])
def test_every_field_is_described(name: str) -> None:
    for field, described in DOCUMENT["components"]["schemas"][name].get("properties", {}).items():
        assert described.get("description"), field


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_example_is_one_that_the_call_takes_or_gives(model: type[BaseModel]) -> None:
    for example in model.model_json_schema().get("examples", ()):
        model.model_validate_json(json.dumps(example))


def test_the_main_calls_have_examples() -> None:
    shown = {name for name, one in DOCUMENT["components"]["schemas"].items() if "examples" in one}
    assert {"MemoryBody", "BatchMessageBody", "QueryBody", "SummaryBody", "AnswerBody"} < shown
    assert {"Accepted", "Batch", "Results", "Page", "OneMemory", "Summary", "Answer", "OneTask"} < shown


def test_a_memorys_metadata_is_described_as_it_is() -> None:
    told = set(answers.MemoryMetadata.model_fields) - {"matched_statement"}
    assert told == set(Memory.model_fields) - {"id", "text", "sections"}


def test_the_schema_names_its_server_and_the_callbacks_header() -> None:
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]
    summaries = DOCUMENT["paths"]["/api/v1/agent/summaries"]["post"]
    assert "X-Callback-URL" in {parameter["name"] for parameter in summaries["parameters"]}


schema = schemathesis.openapi.from_dict(create_app().openapi())


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_call_answers_as_the_schema_says(case: schemathesis.Case[Any], server: Running) -> None:
    case.call_and_validate(base_url=server.url, headers=bearer(KEY))

"""The schema says what the server does: schemathesis makes requests from it, right and wrong ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from omnimemory.api.server import create_app

from .serving import Running, bearer

KEY = "a-key-for-the-schema-test"
EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "5"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("schema")
    with Running(home=home, api_keys=KEY, rate_limit=0, shutdown_seconds=0) as running:
        yield running


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

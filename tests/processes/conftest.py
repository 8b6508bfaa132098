"""A PostgreSQL with pgvector of the tests' own, and a database of it for each test."""

from __future__ import annotations

import pytest

from tests.contract.servers_postgres import PostgresServer, postgres

__all__ = ["postgres"]

pytest.register_assert_rewrite("tests.promises.checks")


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The URI of an empty database."""
    return postgres.uri(database=postgres.database())

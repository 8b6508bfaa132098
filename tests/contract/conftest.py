"""One set of servers for all modules, and the roll of the backends that the contract was held against."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.contract.servers_chroma import chroma_gate, chroma_server, chroma_spare
from tests.contract.servers_mongodb import guarded_mongo_server, mongo_folder, mongo_server, own_mongo_server
from tests.contract.servers_postgres import postgres

pytest.register_assert_rewrite(
    "omnimemory.testing.store_fault_suite",
    "omnimemory.testing.store_records",
    "omnimemory.testing.store_search_suite",
    "omnimemory.testing.store_suite",
)

__all__ = [
    "chroma_gate",
    "chroma_server",
    "chroma_spare",
    "guarded_mongo_server",
    "mongo_folder",
    "mongo_server",
    "own_mongo_server",
    "postgres",
]

REQUIRED = {
    "TestQdrantLocal": "qdrant-local",
    "TestQdrantRemote": "qdrant-client's local mode behind HTTP",
    "TestQdrantRemoteByGrpc": "qdrant-client's local mode behind gRPC",
    "TestChromaLocal": "Chroma in a folder",
    "TestChromaRemote": "Chroma server",
    "TestPostgres": "PostgreSQL with pgvector",
    "TestMongoDB": "MongoDB wire server",
}
OPTIONAL = {
    "TestRealQdrant": "Qdrant server (set QDRANT_URL)",
    "TestMongoDBAtlas": "MongoDB Atlas (set MONGO_ATLAS_URI)",
}
"""Suites and the backends they are run on."""


class Roll:
    """Which suites ran. A run of the whole folder that lacks a required one fails."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ran: Counter[str] = Counter()
        self._left_out: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        parts = report.nodeid.split("::")
        if len(parts) > 2 and parts[1] in (*REQUIRED, *OPTIONAL):
            if report.skipped:
                self._left_out.add(parts[1])
            elif report.when == "call":
                self._ran[parts[1]] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        done = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self._missing and session.exitstatus in done:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        counts = {name: self._ran[suite] for suite, name in (REQUIRED | OPTIONAL).items()}
        if not any(counts.values()) and not self._missing:
            return
        terminalreporter.section("backends")
        for name, count in counts.items():
            terminalreporter.line(f"{name}: {f'{count} tests ran' if count else 'not run'}")
        if self._missing:
            names = ", ".join(self._missing)
            terminalreporter.line(f"the contract must hold on every backend; left out: {names}", red=True)

    @property
    def _missing(self) -> list[str]:
        """Required backends of which a test was skipped or none ran, when the whole folder was asked for."""
        option = self._config.option
        if option.keyword or option.collectonly or getattr(option, "lf", False):
            return []
        folder = Path(__file__).parent
        asked = [(self._config.invocation_params.dir / arg).resolve() for arg in self._config.args]
        if not any(folder.is_relative_to(path) for path in asked):
            return []
        return [name for suite, name in REQUIRED.items() if suite in self._left_out or not self._ran[suite]]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Roll(config), "omnimemory-backends")

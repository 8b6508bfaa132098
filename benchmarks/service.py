"""The REST service under load, beside a bare server that answers with the same bytes.

``python -m benchmarks.service [--quick] [--json] [--memories 10000] [--requests 50000] [--callers 32]``

One server process (``omnimemory serve``, embedded store, local embedder, defaults but for the rate
limit) on loopback; the load tool is this process. Users have 100 memories each. No question is asked
twice, so no cache answers it. Messages go to sessions of ten, so that batches fill and are synthesised
while the load goes on. The long run is of queries alone: messages would add memories.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import psutil  # type: ignore[import-untyped]  # ships no types
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import service_load
from benchmarks.engine_writes import wait_until_indexed
from benchmarks.material import chats, question, sentence
from benchmarks.measure import Bench, Figure, as_json, percentile, show
from benchmarks.service_load import Load, Send, get, post
from omnimemory import OmniMemorySDK

APP = "bench"
QUERY = "/api/v1/memories/query"
MESSAGES = "/api/v1/memory-batcher/messages"
READY_SECONDS = 30
PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools")
BARE = "bare Starlette, same bytes"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done."""

    memories: int
    requests: int
    callers: int

    @property
    def users(self) -> int:
        return max(1, self.memories // 100)


class Server:
    """A server process that listens on loopback."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.port = port
        self.process = process

    def megabytes(self) -> float:
        """Resident memory, in MB."""
        return float(self.process.memory_info().rss) / 1e6

    def mapped(self) -> float:
        """Of the resident memory what the system can drop and read again: mapped files, in MB."""
        return float(self.process.memory_info().shared) / 1e6

    def processor(self) -> float:
        """Seconds of processor time so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


async def measure(bench: Bench, plan: Plan) -> list[Figure]:
    home = bench.folder / "home"
    await _fill(bench, home, plan)
    with serving(["-c", "from omnimemory.cli.app import main; main()", "serve", "--port"], home=home) as ours:
        answer = bench.folder / "answer.json"
        answer.write_bytes(_read(ours.port, f"{QUERY}?{urlencode(_asked(random.Random(3), plan))}"))
        with serving(["-m", "benchmarks.service_bare"], after=[str(answer)]) as bare:
            return [
                *await _queried(bench, plan, ours, bare),
                *await _long(bench, plan, ours),
                *await _wrote(bench, plan, ours, bare),
                *await _mixed(bench, plan, ours),
            ]


async def _fill(bench: Bench, home: Path, plan: Plan) -> None:
    task = bench.progress.add_task("fill", total=plan.memories)
    given = list(chats(random.Random(11), APP, users=plan.users, turns=100))
    async with OmniMemorySDK(home=home, synthesis=False) as memory:
        await memory.add_many(given, infer=False)
        await wait_until_indexed(
            memory, lambda left: bench.progress.update(task, completed=plan.memories - left)
        )


@contextlib.contextmanager
def serving(
    command: list[str], *, after: list[str] | None = None, home: Path | None = None
) -> Iterator[Server]:
    """The process, ready; ended by SIGTERM."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"OMNIMEMORY_RATE_LIMIT": "0", "OMNIMEMORY_SHUTDOWN_SECONDS": "0"}
    if home is not None:
        environment["OMNIMEMORY_HOME"] = str(home)
    started = subprocess.Popen([sys.executable, *command, str(port), *(after or [])], env=environment)
    try:
        end = time.perf_counter() + READY_SECONDS
        while True:
            with contextlib.suppress(urllib.error.URLError):
                _read(port, "/health/ready")
                break
            if started.poll() is not None or time.perf_counter() > end:
                raise SystemExit(f"the server did not start: {' '.join(command)}")
            time.sleep(0.05)
        yield Server(port, psutil.Process(started.pid))
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


def _read(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return bytes(answer.read())


def _asked(rng: random.Random, plan: Plan) -> dict[str, object]:
    return {"query": question(rng), "app_id": APP, "user_id": f"user-{rng.randrange(plan.users)}"}


def _queries(plan: Plan, seed: int) -> Send:
    rng = random.Random(seed)
    return lambda: get(QUERY, _asked(rng, plan))


def _messages(seed: int) -> Send:
    rng, numbers = random.Random(seed), itertools.count()

    def send() -> bytes:
        user = f"writer-{seed}-{next(numbers) // 10}"
        said = {"app_id": APP, "user_id": user, "session_id": "chat", "role": "user"}
        return post(MESSAGES, said | {"content": sentence(rng)})

    return send


async def _queried(bench: Bench, plan: Plan, ours: Server, bare: Server) -> list[Figure]:
    alone, together = bench.scaled(1000, 200), bench.scaled(8000, 800)
    await service_load.run(ours.port, _queries(plan, 1), requests=200, callers=4)  # warm
    await service_load.run(bare.port, _queries(plan, 1), requests=200, callers=4)
    one, bare_one = await _both(bench, "query, 1 caller", ours, bare, plan, alone, 1)
    many, bare_many = await _both(
        bench, f"query, {plan.callers} callers", ours, bare, plan, together, plan.callers
    )
    size = f"{plan.memories:,} memories"
    return [
        _milliseconds("GET query, 1 caller, p50", size, one, bare_one, 50, 6.0),
        _milliseconds("GET query, 1 caller, p99", size, one, bare_one, 99, None),
        _rate(f"GET query, {plan.callers} callers", size, many, bare_many, 400),
        _milliseconds(f"GET query, {plan.callers} callers, p50", size, many, bare_many, 50, None),
        _milliseconds(f"GET query, {plan.callers} callers, p99", size, many, bare_many, 99, 150.0),
    ]


async def _both(
    bench: Bench, name: str, ours: Server, bare: Server, plan: Plan, requests: int, callers: int
) -> tuple[Load, Load]:
    found = [
        await _run(bench, f"{name}, {what}", server, _queries(plan, callers + 1), requests, callers)
        for what, server in (("ours", ours), ("bare", bare))
    ]
    return found[0], found[1]


async def _wrote(bench: Bench, plan: Plan, ours: Server, bare: Server) -> list[Figure]:
    requests = bench.scaled(8000, 800)
    name = f"POST messages, {plan.callers} callers"
    wrote = await _run(bench, f"{name}, ours", ours, _messages(1), requests, plan.callers)
    stock = await _run(bench, f"{name}, bare", bare, _messages(1), requests, plan.callers)
    size = f"{requests:,} messages"
    return [
        _rate(f"{name}, acknowledged", size, wrote, stock, 800),
        _milliseconds(f"{name}, p99", size, wrote, stock, 99, None),
    ]


async def _long(bench: Bench, plan: Plan, server: Server) -> list[Figure]:
    """Memory after the first two fifths of the long run and at its end."""
    begun, name = plan.requests * 2 // 5, "long run of queries"
    before = server.megabytes()
    await _run(bench, f"{name}, first part", server, _queries(plan, 98), begun, plan.callers)
    early = server.megabytes()
    ask = _queries(plan, 99)
    await _run(bench, f"{name}, second part", server, ask, plan.requests - begun, plan.callers)
    late = server.megabytes()
    size = f"{plan.requests:,} queries"
    return [
        Figure(
            measure="memory (RSS) after them",
            size=size,
            ours=late,
            unit="MB",
            baseline=server.mapped(),
            baseline_name="of it mapped files",
            target=180,
        ),
        Figure(
            measure="its growth over the last three fifths",
            size=size,
            ours=late - early,
            unit="MB",
            baseline=early - before,
            baseline_name="over the first two",
            target=2,  # none, but for what the allocator rounds
        ),
    ]


async def _mixed(bench: Bench, plan: Plan, server: Server) -> list[Figure]:
    """Queries and messages together, while the notes and the index of earlier messages are made."""
    requests = bench.scaled(5000, 500)
    ask, say, numbers = _queries(plan, 97), _messages(97), itertools.count()

    def send() -> bytes:
        return say() if next(numbers) % 10 == 9 else ask()

    load = await _run(bench, "queries and messages", server, send, requests, plan.callers)
    measure, size = "queries, every tenth a message", f"behind {bench.scaled(8000, 800):,} messages"
    return [
        Figure(measure=measure, size=size, ours=load.rate, unit="/s"),
        Figure(measure=f"{measure}, p99", size=size, ours=percentile(load.seconds, 99), unit="ms"),
    ]


async def _run(bench: Bench, name: str, server: Server, send: Send, requests: int, callers: int) -> Load:
    task = bench.progress.add_task(name, total=requests)
    used = server.processor()
    load = await service_load.run(
        server.port, send, requests=requests, callers=callers, told=lambda: bench.progress.advance(task)
    )
    used = server.processor() - used
    bench.progress.console.print(
        f"{name}: {used / requests * 1e3:.2f} ms processor time a request, {server.megabytes():.0f} MB"
    )
    if load.failures:
        raise SystemExit(f"{name}: {dict(load.failures)} failed")
    return load


def _milliseconds(
    measure: str, size: str, ours: Load, bare: Load, share: float, target: float | None
) -> Figure:
    return Figure(
        measure=measure,
        size=size,
        ours=percentile(ours.seconds, share),
        unit="ms",
        baseline=percentile(bare.seconds, share),
        baseline_name=BARE,
        target=target,
    )


def _rate(measure: str, size: str, ours: Load, bare: Load, target: float) -> Figure:
    return Figure(
        measure=measure,
        size=size,
        ours=ours.rate,
        unit="/s",
        baseline=bare.rate,
        baseline_name=BARE,
        target=target,
        at_least=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the REST service beside a bare server.")
    parser.add_argument("--quick", action="store_true", help="fewer memories and requests: under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--memories", type=int, default=10_000, help="memories in the store")
    parser.add_argument("--requests", type=int, default=50_000, help="requests of the long run")
    parser.add_argument("--callers", type=int, default=32, help="callers at once")
    given = parser.parse_args()
    plan = Plan(given.memories, given.requests, given.callers)
    if given.quick:
        plan = Plan(min(plan.memories, 1000), min(plan.requests, 2000), plan.callers)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console, transient=True) as progress,
        tempfile.TemporaryDirectory(prefix="omnimemory-bench-", ignore_cleanup_errors=True) as folder,
    ):
        figures = asyncio.run(measure(Bench(Path(folder), given.quick, progress), plan))
    if given.json:
        print(as_json(figures, PACKAGES))
    else:
        piped = Console()
        show(figures, piped if piped.is_terminal else Console(width=140), "OmniMemory, the service", PACKAGES)


if __name__ == "__main__":
    main()

"""What ``import omnimemory.sdk`` costs, over a Python that imports nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import AsyncIterator

from benchmarks.measure import Bench, Figure

_PROBE = """
import sys, time
start = time.process_time()
{imports}
spent = time.process_time() - start
try:
    with open("/proc/self/status") as status:  # what getrusage says on Linux includes the parent's memory
        peak = int(status.read().split("VmHWM:")[1].split()[0]) / 1024
except FileNotFoundError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
sys.stdout.write(f"{{spent}} {{peak}}")
"""


async def measure(bench: Bench) -> AsyncIterator[Figure]:
    runs = bench.scaled(7, 3)
    task = bench.progress.add_task("import", total=2 * runs)

    def probe(imports: str) -> tuple[float, float]:
        """CPU seconds and MB of memory at its peak, medians over fresh processes."""
        found = []
        for _ in range(runs):
            command = [sys.executable, "-c", _PROBE.format(imports=imports)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, megabytes = done.stdout.split()
            found.append((float(seconds), float(megabytes)))
            bench.progress.advance(task)
        return statistics.median(s for s, _ in found), statistics.median(m for _, m in found)

    bare_seconds, bare_memory = probe("")
    seconds, memory = probe("import omnimemory.sdk")
    yield Figure(
        measure="import omnimemory.sdk, CPU",
        size="fresh process",
        ours=seconds - bare_seconds,
        unit="s",
        target=0.4,
    )
    yield Figure(
        measure="import omnimemory.sdk, memory over bare Python",
        size="fresh process",
        ours=memory - bare_memory,
        unit="MB",
        baseline=bare_memory,
        baseline_name="bare Python",
        target=60,
    )

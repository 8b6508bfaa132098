"""The service's benchmark runs against a server of its own."""

from __future__ import annotations

import json
import subprocess
import sys


def test_it_prints_each_figure_beside_its_baseline() -> None:
    command = [sys.executable, "-m", "benchmarks.service", "--quick", "--json"]
    command += ["--memories", "100", "--requests", "100", "--callers", "4"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    figures = {figure["measure"]: figure for figure in json.loads(ran.stdout)["figures"]}
    query = figures["GET query, 1 caller, p50"]
    assert 0 < query["baseline"] < query["ours"]
    assert query["target"] == 6.0
    assert figures["POST messages, 4 callers, acknowledged"]["ours"] > 0
    assert figures["memory (RSS) after them"]["baseline"] < figures["memory (RSS) after them"]["ours"]

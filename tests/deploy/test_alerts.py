"""Alerts fire when they should, as Prometheus itself reckons."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from omnimemory.metrics import Metrics

RULES = Path(__file__).parents[2] / "deploy/prometheus/alerts.yml"
PROMTOOL = shutil.which("promtool")
PARKED = 'omnimemory_task_attempts_total{job="omnimemory",instance="%s",kind="summary",outcome="parked"}'
POOL = 'omnimemory_pool_%s{job="omnimemory",instance="a",kind="%s"}'
QUEUE = 'omnimemory_oldest_task_seconds{job="omnimemory",instance="%s"}'
LEFT = 'omnimemory_tokens_left{job="omnimemory",instance="%s"}'

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    done = subprocess.run([str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def fires(alert: str, series: dict[str, str], *, minute: int, times: int, folder: Path) -> bool:
    """Whether so many of an alert fire at that minute, one sample being taken each minute."""
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    case: dict[str, object] = {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) or vector(0)'
    }
    case |= {"eval_time": f"{minute}m", "exp_samples": [{"value": times}]}
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": [case]}],
    }
    (folder / "test.yml").write_text(json.dumps(test))
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", str(folder / "test.yml")], capture_output=True, check=False
    )
    return done.returncode == 0


@needs_promtool
@pytest.mark.parametrize(("minute", "times"), [(4, 0), (10, 1), (60, 0)])
def test_a_task_that_gives_up_is_told_and_not_for_ever(minute: int, times: int, tmp_path: Path) -> None:
    series = {PARKED % "a": "0x5 1x90", PARKED % "b": "0x90"}
    assert fires("OmniMemoryTasksParked", series, minute=minute, times=times, folder=tmp_path)


@needs_promtool
@pytest.mark.parametrize(("kind", "times"), [("connections", 1), ("collections", 0)])
def test_only_connections_are_exhausted(kind: str, times: int, tmp_path: Path) -> None:
    series = {POOL % ("active", kind): "8x30", POOL % ("limit", kind): "8x30"}
    assert fires("OmniMemoryPoolExhausted", series, minute=20, times=times, folder=tmp_path)


@needs_promtool
@pytest.mark.parametrize(("left", "times"), [("+Inf", 1), ("0", 0)])
def test_replicas_of_a_ledger_tell_once_that_its_queue_is_stuck(
    left: str, times: int, tmp_path: Path
) -> None:
    series = {name % replica: "1000x30" for name in (QUEUE,) for replica in "ab"}
    series |= {LEFT % replica: " ".join([left] * 30) for replica in "ab"}
    assert fires("OmniMemoryQueueStuck", series, minute=20, times=times, folder=tmp_path)


def test_what_alerts_look_at_the_increase_of_is_there_from_the_beginning() -> None:
    text = Metrics().render()[0].decode()
    for kind in ("synthesis", "agent_memory", "summary", "resolve"):
        assert f'omnimemory_task_attempts_total{{kind="{kind}",outcome="parked"}} 0.0' in text
    assert 'omnimemory_webhook_deliveries_total{outcome="failed"} 0.0' in text

"""Every metric that a panel or a rule names exists, with the labels it is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from omnimemory.metrics import Metrics, State

ROOT = Path(__file__).parents[2]
ADDED = {"instance", "job"}
"""Labels that Prometheus adds itself."""

_SELECTOR = re.compile(r"\b([a-z][a-z_]*_[a-z_]+|up)\b(?!\()(?:\{([^}]*)\})?")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_FUNCTIONS = {"histogram_quantile", "label_values"}


def exported() -> dict[str, set[str]]:
    """Sample names and their labels, once everything has happened."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    with pytest.raises(TimeoutError), metrics.operation("recall"):
        raise TimeoutError
    metrics.model_called("answer", input_tokens=1, output_tokens=1)
    metrics.recalled(candidates=1, results=1)
    metrics.evolved({"CREATE": 1})
    metrics.attempted("synthesis", "done", age=1.0)
    metrics.delivered("delivered")
    metrics.requested("GET", "/", 200, 0.1)
    metrics.stands(State())
    found: dict[str, set[str]] = {"up": set()}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def panels() -> Iterator[tuple[str, str]]:
    board = json.loads((ROOT / "deploy/grafana/dashboards/omnimemory.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        yield variable["name"], variable["query"]["query"]


def rules() -> Iterator[tuple[str, str]]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        yield rule["alert"], rule["expr"]


EXPRESSIONS = [*panels(), *rules()]


def missing(expression: str) -> list[str]:
    """Metrics the expression names that do not exist, and labels that they do not have."""
    known = exported()
    grouped = {label.strip() for found in _GROUPING.findall(expression) for label in found.split(",")}
    text = _GROUPING.sub(" ", expression)
    faults, labels = [], set(ADDED)
    for name, matchers in _SELECTOR.findall(text):
        if name in _FUNCTIONS:
            continue
        if name not in known:
            faults.append(name)
            continue
        labels |= known[name]
        asked = set(_LABEL.findall(re.sub(r'"[^"]*"', '""', matchers)))
        faults += sorted(f"{name}{{{label}}}" for label in asked - known[name] - ADDED)
    return faults + sorted(f"by ({label})" for label in grouped - labels)


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_what_is_named_exists(title: str, expression: str) -> None:
    assert missing(expression) == []


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("omnimemory_taks > 0", "omnimemory_taks"),
        ("omnimemory_operations > 0", "omnimemory_operations"),
        ('omnimemory_tasks{state="queued"}', "omnimemory_tasks{state}"),
        ("sum by (agent) (rate(omnimemory_evolution_total[5m]))", "by (agent)"),
    ],
)
def test_a_misspelt_metric_or_label_is_noticed(expression: str, fault: str) -> None:
    assert missing(expression) == [fault]


SHARED = ("tasks", "oldest_task_seconds", "outbox_rows", "tokens_today", "tokens_left")
"""Gauges that come from the ledger, the same from all replicas that share it."""


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[title for title, _ in EXPRESSIONS])
def test_what_every_replica_reports_alike_is_not_added_up(title: str, expression: str) -> None:
    if expression.startswith("label_values"):
        return
    named = re.findall(rf"omnimemory_(?:{'|'.join(SHARED)})\b", expression)
    largest = re.findall(rf"max(?: by \(\w+\) )?\(omnimemory_(?:{'|'.join(SHARED)})\b", expression)
    assert len(named) == len(largest)


def test_every_metric_of_ours_is_looked_at_by_a_panel_or_a_rule() -> None:
    shown = " ".join(expression for _, expression in EXPRESSIONS)
    families = {
        name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count").removesuffix("_created")
        for name in exported()
        if name.startswith("omnimemory_") and not name.endswith("_created")
    }
    assert sorted(family for family in families if family not in shown) == []


def test_every_alert_says_what_to_do() -> None:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert {"summary", "action"} <= set(rule["annotations"]), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")

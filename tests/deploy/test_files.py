"""The deployment's files, as far as they can be checked without a container engine."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from omnimemory.core.settings import Settings, variable_of
from omnimemory.stores.registry import store_class
from omnimemory.wiring import chat_model_from

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.local.yml"
BACKENDS = ("qdrant", "chromadb", "pgvector", "mongodb")
ENV = ROOT / "examples" / "env"
STORES = ("qdrant-local", *BACKENDS)
PROVIDERS = (
    "openai",
    "anthropic",
    "mistral",
    "azure",
    "ollama",
    "openrouter",
    "groq",
    "gemini",
    "extractive",
)
VARIABLES = {variable_of(field) for field in Settings.model_fields}
COMPOSE_ONLY = {"OMNIMEMORY_API_KEY", "OMNIMEMORY_MONITOR_KEY", "POSTGRES_PASSWORD", "MONGO_PASSWORD"}
"""What ``docker-compose.local.yml`` reads; not our settings."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """Compose's ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``."""

    def value(found: re.Match[str]) -> str:
        name, operator, rest = found.group(1), found.group(2), found.group(3)
        if values.get(name):
            return values[name]
        assert operator == ":-", f"{name} is required: {rest}"
        return rest or ""

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def test_compose_obeys_the_compose_specification() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_backend_has_a_profile_with_its_database_and_its_api(
    compose: dict[str, Any], backend: str
) -> None:
    services = compose["services"]
    assert services[backend]["profiles"] == services[f"api-{backend}"]["profiles"] == [backend]
    assert services[f"api-{backend}"]["depends_on"] == {backend: {"condition": "service_healthy"}}
    assert "healthcheck" in services[backend]


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_api_service_has_settings_that_work_and_wants_keys(
    compose: dict[str, Any], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose["services"][f"api-{backend}"]["environment"]
    unknown = set(environment) - VARIABLES
    assert not unknown
    with pytest.raises(AssertionError, match="OMNIMEMORY_API_KEY is required"):
        interpolated(environment["OMNIMEMORY_API_KEYS"], {})
    keys = {"OMNIMEMORY_API_KEY": "a" * 64, "OMNIMEMORY_MONITOR_KEY": "b" * 64}
    for name, value in environment.items():
        monkeypatch.setenv(name, interpolated(value, keys))
    settings = Settings.load()
    store_class(settings.provider).from_settings(settings)
    assert settings.api_keys is not None
    application, prometheus = json.loads(settings.api_keys.get_secret_value())
    assert application["key"] == "a" * 64
    assert prometheus["rights"] == ["monitor"]


def test_an_api_runs_without_rights_it_does_not_need(compose: dict[str, Any]) -> None:
    for backend in BACKENDS:
        service = compose["services"][f"api-{backend}"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert any(mount.endswith(":/data") for mount in service["volumes"]), "the ledger needs a volume"


def test_no_port_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_named_volume_and_secret_is_declared(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        named = {mount.split(":")[0] for mount in service.get("volumes", ()) if not mount.startswith(".")}
        assert named <= set(compose["volumes"]), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        mounted = [m.split(":")[0] for m in service.get("volumes", ()) if m.startswith(".")]
        assert all((ROOT / path).exists() for path in mounted), name


def test_prometheus_watches_the_apis_with_the_key_it_is_given(compose: dict[str, Any]) -> None:
    (job,) = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    (secret,) = compose["services"]["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    assert compose["secrets"][secret] == {"environment": "OMNIMEMORY_MONITOR_KEY"}
    (names,) = (found["names"] for found in job["dns_sd_configs"])
    assert names == [f"api-{backend}" for backend in BACKENDS]


def test_grafana_finds_its_source_and_its_dashboard(compose: dict[str, Any]) -> None:
    (source,) = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    board = json.loads((ROOT / "deploy/grafana/dashboards/omnimemory.json").read_text())
    assert {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel} == {
        source["uid"]
    }
    (provider,) = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/dashboards/omnimemory.yml").read_text()
    )["providers"]
    mounts = compose["services"]["grafana"]["volumes"]
    assert any(f":{provider['options']['path']}:" in f"{mount}:" for mount in mounts)


def dockerfile() -> Iterator[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            instruction, _, rest = line.partition(" ")
            yield instruction, rest.strip()


def test_the_image_runs_as_nobody_in_particular_with_a_check_and_a_volume() -> None:
    lines = list(dockerfile())
    assert ("USER", "10001:10001") in lines
    assert ("VOLUME", "/data") in lines
    assert any(instruction == "HEALTHCHECK" for instruction, _ in lines)
    assert sum(instruction == "FROM" for instruction, _ in lines) == 2, "what builds is left behind"
    assert lines.index(("USER", "10001:10001")) < [i for i, _ in lines].index("CMD")


def test_the_image_holds_compiled_python_as_its_user_cannot_write_it() -> None:
    assert not any("--no-compile" in rest for _, rest in dockerfile())


def test_the_image_copies_what_is_there_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for instruction, rest in dockerfile()
        if instruction == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)


def test_the_extras_that_images_install_exist(compose: dict[str, Any]) -> None:
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    wanted = {
        extra
        for backend in BACKENDS
        for extra in compose["services"][f"api-{backend}"]["build"]["args"]["EXTRAS"].split(",")
    }
    default = next(rest for instruction, rest in dockerfile() if instruction == "ARG" and "EXTRAS" in rest)
    assert wanted | set(default.partition("=")[2].split(",")) <= known


def test_the_first_block_of_the_operations_page_makes_settings_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs/OPERATIONS.md").read_text()
    block = page.partition("```bash\n")[2].partition("```")[0]
    told = (
        'docker() { echo "docker $*"; }; curl() { echo "curl $*"; }; openssl() { echo "$RANDOM$RANDOM"; }\n'
    )
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        ["bash", "-euc", told + block],
        cwd=tmp_path,
        env={"EDITOR": "true", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    written = dotenv_values(tmp_path / ".env")
    assert written["OMNIMEMORY_MONITOR_KEY"]
    assert f"curl -H Authorization: Bearer {written['OMNIMEMORY_API_KEY']} " in done.stdout
    assert "--profile qdrant" in done.stdout
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMNIMEMORY_API_KEYS", "as Compose makes them of the two")
    assert Settings.load().provider == "qdrant-remote"


def variables(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("path", sorted(ENV.glob("*.env")), ids=lambda path: path.stem)
def test_an_environment_template_names_only_variables_that_exist(path: Path) -> None:
    assert path.stem in {*STORES, *PROVIDERS}
    text = path.read_text()
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    assert named <= VARIABLES | COMPOSE_ONLY


@pytest.mark.parametrize(("store", "provider"), list(itertools.product(STORES, PROVIDERS)))
def test_any_backend_goes_with_any_provider(
    store: str, provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    combined = variables(ENV / f"{store}.env") | variables(ENV / f"{provider}.env")
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in combined.items()))
    monkeypatch.chdir(tmp_path)
    settings = Settings.load()
    store_class(settings.provider).from_settings(settings)
    assert (chat_model_from(settings) is None) == (provider == "extractive")

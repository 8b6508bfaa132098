"""A home, a ledger, an embedder or a setting that cannot be used is refused by what to change."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import (
    ConfigError,
    DimensionMismatch,
    LedgerError,
    OmniMemoryError,
    StoreLocked,
)
from omnimemory.testing.scripted import HashEmbedder

from .conversations import APP, documents, said

SKIS = "I keep my skis in the cellar."


async def used(**settings: Any) -> None:
    """Make an SDK with ``settings`` and use it once."""
    sdk = OmniMemorySDK(**settings)
    try:
        await sdk.list_memories(APP)
    finally:
        await sdk.close(drain=False)


# The home folder


async def test_a_home_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"OMNIMEMORY_HOME.*taken"):
        await used(home=tmp_path / "taken")


async def test_a_home_below_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"OMNIMEMORY_HOME.*taken"):
        await used(home=tmp_path / "taken" / "home")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where nobody may make a folder")
async def test_a_home_that_cannot_be_made_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"OMNIMEMORY_HOME.*/proc/omnimemory"):
        await used(home="/proc/omnimemory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_read_only_home_is_refused_by_name(tmp_path: Path) -> None:
    home = tmp_path / "read-only"
    home.mkdir(mode=0o500)
    with pytest.raises(OmniMemoryError, match="read-only"):
        await used(home=home)


async def test_a_home_with_blanks_and_odd_characters_works(tmp_path: Path) -> None:
    home = tmp_path / "my home % ? # & \N{ROCKET} 'quoted'"
    async with OmniMemorySDK(home=home) as sdk:
        await sdk.add_memory(said(SKIS), infer=False)
        assert documents(await sdk.query_memory(APP, "skis")) == [SKIS]
    assert (home / "ledger.db").is_file()


HOLD = """
import sys
from omnimemory import SyncOmniMemorySDK
sdk = SyncOmniMemorySDK()
sdk.list_memories("my-app")
print("open", flush=True)
sys.stdin.read()
sdk.close()
"""


def test_a_home_in_use_by_another_process_is_refused_by_its_pid_and_free_afterwards() -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreLocked, match=rf"process {holder.pid}\b.*OMNIMEMORY_HOME"):
            asyncio.run(used())
    finally:
        holder.communicate()
    assert holder.returncode == 0
    asyncio.run(used())


async def test_an_sdk_that_could_not_open_works_once_the_cause_is_gone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("in the way")
    async with OmniMemorySDK(home=home) as sdk:
        with pytest.raises(ConfigError):
            await sdk.list_memories(APP)
        home.unlink()
        await sdk.add_memory(said(SKIS), infer=False)
        assert documents(await sdk.query_memory(APP, "skis")) == [SKIS]


async def test_one_home_under_other_settings_in_the_same_process_is_refused(home: Path) -> None:
    async with OmniMemorySDK() as sdk:
        await sdk.list_memories(APP)
        with pytest.raises(StoreLocked, match=f"this process.*{home}"):
            await used(n_results=7)


# The ledger


def test_a_ledger_file_that_is_none_is_refused_and_left_alone(home: Path) -> None:
    content = b"this is a text file, not a database. " * 100
    home.mkdir()
    (home / "ledger.db").write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger\.db is not a ledger.*another file"):
        asyncio.run(used())
    assert (home / "ledger.db").read_bytes() == content


async def test_a_ledger_that_is_a_folder_is_refused(home: Path) -> None:
    (home / "ledger.db").mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be opened"):
        await used()


@pytest.mark.parametrize("url", ["no url", "sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "://"])
async def test_a_ledger_url_that_cannot_be_used_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:////"):
        await used(ledger_url=url)


# The embedder


async def test_another_embedder_than_the_collections_is_refused_by_both_names() -> None:
    async with OmniMemorySDK(embedder=HashEmbedder(64, name="small")) as sdk:
        await sdk.add_memory(said(SKIS), infer=False)
        await sdk.flush()
    async with OmniMemorySDK(embedder=HashEmbedder(128, name="large")) as sdk:
        with pytest.raises(DimensionMismatch, match=r"small.*64.*large.*128.*omnimemory reindex"):
            await sdk.query_memory(APP, "skis")
    async with OmniMemorySDK(embedder=HashEmbedder(64, name="small")) as sdk:
        assert documents(await sdk.query_memory(APP, "skis")) == [SKIS]


async def test_what_another_embedder_cannot_index_is_accepted_and_kept() -> None:
    async with OmniMemorySDK(embedder=HashEmbedder(64, name="small")) as sdk:
        await sdk.add_memory(said(SKIS), infer=False)
        await sdk.flush()
    other = OmniMemorySDK(embedder=HashEmbedder(128, name="large"))
    await other.add_memory(said("My skis are red."), infer=False)
    await other.close(drain=False)
    async with OmniMemorySDK(embedder=HashEmbedder(64, name="small")) as sdk:
        assert len(await sdk.query_memory(APP, "skis")) == 2


# Settings


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OMNIMEMORY_N_RESULTS", "many", "OMNIMEMORY_N_RESULTS=5"),
        ("OMNIMEMORY_N_RESULTS", "0", "OMNIMEMORY_N_RESULTS=5"),
        ("OMNIMEMORY_DEFAULT_MAX_MESSAGES", "-3", "OMNIMEMORY_DEFAULT_MAX_MESSAGES=10"),
        ("OMNIMEMORY_DEFAULT_MAX_MESSAGES", "1.5", "OMNIMEMORY_DEFAULT_MAX_MESSAGES=10"),
        ("OMNIMEMORY_RECALL_THRESHOLD", "high", "auto"),
        ("OMNIMEMORY_RECALL_THRESHOLD", "2", "auto"),
        ("OMNIMEMORY_LINK_THRESHOLD", "nan", "auto"),
        ("OMNIMEMORY_COMPOSITE_SCORE_THRESHOLD", "x", "auto"),
        ("OMNIMEMORY_LEDGER_SYNCHRONOUS", "OFF", "OMNIMEMORY_LEDGER_SYNCHRONOUS=FULL"),
        ("OMNIMEMORY_SYNTHESIS", "perhaps", "OMNIMEMORY_SYNTHESIS"),
        ("OMNIMEMORY_WEBHOOK_ATTEMPTS", "0", "OMNIMEMORY_WEBHOOK_ATTEMPTS=3"),
        ("LLM_TEMPERATURE", "hot", "LLM_TEMPERATURE=0.4"),
        ("EMBEDDING_DIMENSIONS", "0", "EMBEDDING_DIMENSIONS=1536"),
        ("QDRANT_PORT", "99999", "QDRANT_PORT=6333"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL=INFO"),
    ],
)
def test_a_bad_variable_is_named_with_a_right_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"{variable}.*{says}"):
        OmniMemorySDK()


def test_a_bad_value_in_a_dotenv_file_is_named_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OMNIMEMORY_N_RESULTS=lots\n")
    with pytest.raises(ConfigError, match=r"OMNIMEMORY_N_RESULTS.*OMNIMEMORY_N_RESULTS=5"):
        OmniMemorySDK()


async def test_a_dotenv_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("OMNIMEMORY_N_RESULTS=2\nOMNIMEMORY_DEFAULT_MAX_MESSAGES=3\n")
    monkeypatch.setenv("OMNIMEMORY_N_RESULTS", "4")
    async with OmniMemorySDK() as sdk:
        assert (sdk.settings.n_results, sdk.settings.default_max_messages) == (4, 3)


@pytest.mark.parametrize(
    "variable", ["HOME", "PROVIDER", "SYNTHESIS", "N_RESULTS", "METRICS_PORT", "LOG_DIR_"]
)
def test_a_variable_of_somebody_elses_is_not_taken_for_ours(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    expected = OmniMemorySDK().settings
    monkeypatch.setenv(variable, "nonsense")
    assert OmniMemorySDK().settings == expected


def test_an_unknown_setting_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(ConfigError, match=r"max_massages.*default_max_messages"):
        OmniMemorySDK(max_massages=5)


@pytest.mark.parametrize(
    ("field", "value", "variable"),
    [
        ("n_results", "many", "OMNIMEMORY_N_RESULTS"),
        ("recall_threshold", 2, "OMNIMEMORY_RECALL_THRESHOLD"),
        ("home", 5, "OMNIMEMORY_HOME"),
        ("synthesis", "maybe", "OMNIMEMORY_SYNTHESIS"),
        ("provider", 7, "OMNI_MEMORY_PROVIDER"),
        ("provider", None, "OMNI_MEMORY_PROVIDER"),
    ],
)
def test_a_bad_argument_is_named_by_its_variable(field: str, value: Any, variable: str) -> None:
    with pytest.raises(ConfigError, match=variable):
        OmniMemorySDK(**{field: value})


@pytest.mark.parametrize("provider", ["pinecone", "qdrant-locale", "", "sqlite"])
async def test_an_unknown_store_is_refused_and_the_known_ones_named(provider: str) -> None:
    with pytest.raises(ConfigError, match=r"OMNI_MEMORY_PROVIDER.*qdrant-local"):
        await used(provider=provider)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"llm_provider": "openai"}, "LLM_API_KEY"),
        ({"llm_provider": "closedai", "llm_api_key": "k"}, "LLM_PROVIDER.*openai"),
        ({"llm_provider": "anthropic"}, "LLM_API_KEY"),
        ({"llm_provider": "azure", "llm_api_key": "k"}, "LLM_"),
        ({"llm_base_url": "no url", "llm_model": "m"}, "LLM_BASE_URL"),
        ({"embedding_provider": "openai"}, "EMBEDDING_API_KEY"),
        ({"embedding_provider": "closedai"}, "EMBEDDING_PROVIDER.*wordllama"),
        ({"embedding_provider": "anthropic", "embedding_api_key": "k"}, "EMBEDDING_PROVIDER"),
    ],
)
async def test_a_model_that_is_half_configured_is_refused_by_what_is_missing(
    settings: dict[str, Any], names: str
) -> None:
    with pytest.raises(ConfigError, match=names):
        await used(**settings)


async def test_keys_are_in_no_error_and_no_representation() -> None:
    sdk = OmniMemorySDK(llm_api_key="sk-very-secret", webhook_secret="hush-hush")
    assert "very-secret" not in repr(sdk.settings)
    assert "hush-hush" not in repr(sdk.settings)
    with pytest.raises(ConfigError) as failed:
        OmniMemorySDK(llm_api_key=["sk-very-secret"])
    assert "very-secret" not in str(failed.value)
    await sdk.close(drain=False)

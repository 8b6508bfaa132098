"""The one place that chooses: from settings to a ledger, a store, models and an engine."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from omnimemory.agents.base import Agents
from omnimemory.agents.observed import ObservedAgents
from omnimemory.core.errors import ConfigError
from omnimemory.core.settings import Settings
from omnimemory.engine import Engine
from omnimemory.ledger.ledger import Ledger, file_url
from omnimemory.metrics import SILENT, Metrics, Observer
from omnimemory.models.base import ChatModel, Embedder
from omnimemory.models.cache import CachedEmbedder
from omnimemory.models.chunking import ChunkingEmbedder, TokenCounter
from omnimemory.models.observed import ObservedEmbedder
from omnimemory.models.providers import PROVIDERS, access
from omnimemory.recall.rerank import Reranking
from omnimemory.stores.base import VectorStore
from omnimemory.stores.registry import store_class

LOCAL_EMBEDDERS = ("wordllama", "minilm", "fastembed")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a caller brings instead of what the settings name; None leaves the choice to them.

    The engine does not close what it was given.
    """

    chat_model: ChatModel | None = None
    embedder: Embedder | None = None
    agents: Agents | None = None
    store: VectorStore | None = None
    reranker: Reranking | None = None
    observer: Observer | None = None


def engine_from(settings: Settings, parts: Parts = Parts()) -> Engine:  # frozen
    """An engine for ``async with``, not yet opened.

    Raises:
        ConfigError: naming the variable that is wrong or missing and a right value.
    """
    counter = TokenCounter()
    observer = parts.observer or observer_from(settings)
    own_model = None
    agents = parts.agents
    if agents is None:
        own_model = None if parts.chat_model is not None else chat_model_from(settings)
        agents = agents_from(parts.chat_model or own_model, settings, observer=observer)
    return Engine(
        settings=settings,
        ledger=ledger_from(settings),
        store=parts.store or store_from(settings),
        embedder=embedder_from(settings, given=parts.embedder, counter=counter, observer=observer),
        agents=agents if observer is SILENT else ObservedAgents(agents, observer),
        chat_model=own_model,
        counter=counter,
        reranker=parts.reranker,
        observer=observer,
    )


def observer_from(settings: Settings, *, read: bool = False) -> Observer:
    """What counts and traces as the settings say; with ``read``, metrics are read in other ways too."""
    if settings.traces or settings.traces_endpoint:
        from omnimemory.tracing import traces_from

        return traces_from(settings)
    return Metrics() if read or settings.metrics_server else SILENT


def chat_model_from(settings: Settings) -> ChatModel | None:
    """The chat model that ``LLM_*`` names; None when nothing is set."""
    if not (settings.llm_provider or settings.llm_api_key or settings.llm_base_url):
        return None
    from omnimemory.models.openai_compatible import OpenAIChatModel

    target = access(
        "LLM",
        provider=settings.llm_provider,
        model=settings.llm_model,
        api_key=_revealed(settings.llm_api_key),
        base_url=settings.llm_base_url,
    )
    return OpenAIChatModel(
        base_url=target.base_url,
        model=target.model,
        api_key=target.api_key,
        enforces_schema=target.enforces_schema,
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        top_p=settings.llm_top_p,
        timeout=settings.llm_timeout,
        max_connections=2 * settings.worker_concurrency,
    )


def agents_from(model: ChatModel | None, settings: Settings, *, observer: Observer = SILENT) -> Agents:
    """Agents over ``model``, or the extractive ones without."""
    if model is None:
        from omnimemory.agents.extractive import ExtractiveAgents

        return ExtractiveAgents()
    from omnimemory.agents.chat import ModelAgents

    return ModelAgents(model, max_tokens=settings.llm_max_tokens, observer=observer)


def embedder_from(
    settings: Settings, *, given: Embedder | None, counter: TokenCounter, observer: Observer = SILENT
) -> Embedder:
    """The embedder that ``EMBEDDING_*`` names (default: wordllama), with chunking and a cache.

    wordllama's vectors are not kept: computing one takes 0.05 ms, which finding it saves little of.
    """
    from omnimemory.models.local import WordLlamaEmbedder

    base = given or _base_embedder(settings)
    kept = 0 if isinstance(base, WordLlamaEmbedder) else settings.embedding_cache_size
    window = settings.embedding_max_tokens if given or not _is_local(settings) else None
    if window is not None:
        base = ChunkingEmbedder(base, window=window, counter=counter)
    if observer is not SILENT:
        base = ObservedEmbedder(base, observer)
    return base if kept == 0 else CachedEmbedder(base, size=kept, ttl=settings.embedding_cache_ttl)


def store_from(settings: Settings) -> VectorStore:
    """The store that ``OMNI_MEMORY_PROVIDER`` names."""
    if settings.provider.endswith("-local"):
        _home(settings)
    return store_class(settings.provider).from_settings(settings)


def ledger_from(settings: Settings) -> Ledger:
    """The ledger at ``OMNIMEMORY_LEDGER_URL``, else beside a Postgres store, else in the home folder.

    Raises:
        ConfigError: the URL cannot be read, or the home folder cannot be made.
    """
    return Ledger(
        settings.ledger_place or file_url(_private(_home(settings) / "ledger.db")),
        synchronous=settings.ledger_synchronous,
        connections=settings.ledger_max_connections,
    )


def _home(settings: Settings) -> Path:
    """The home folder, which is its owner's alone where it is made here."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"OMNIMEMORY_HOME: {settings.home} cannot be used as a folder ({exc.strerror}); "
            "name a writable one"
        ) from exc
    return settings.home


def _private(path: Path) -> Path:
    """The file's path; a new file is its owner's alone, and what SQLite puts beside it likewise."""
    if not path.exists():
        with suppress(OSError):  # whoever opens it says what is wrong
            path.touch(mode=0o600)
    return path


def _is_local(settings: Settings) -> bool:
    return not (settings.embedding_base_url or settings.embedding_api_key) and (
        settings.embedding_provider is None or settings.embedding_provider.strip().lower() in LOCAL_EMBEDDERS
    )


def _base_embedder(settings: Settings) -> Embedder:
    name = (settings.embedding_provider or "").strip().lower()
    if _is_local(settings):
        from omnimemory.models import local

        match name:
            case "minilm":
                return local.MiniLMEmbedder()
            case "fastembed":
                model = settings.embedding_model
                return local.FastEmbedEmbedder(model) if model else local.FastEmbedEmbedder()
            case _:
                return local.WordLlamaEmbedder()
    if name and name not in PROVIDERS:
        known = ", ".join((*LOCAL_EMBEDDERS, *(n for n, p in PROVIDERS.items() if p.embeds)))
        raise ConfigError(f"EMBEDDING_PROVIDER: unknown provider {name!r}; known are {known}")
    from omnimemory.models.openai_compatible import OpenAIEmbedder

    target = access(
        "EMBEDDING",
        provider=settings.embedding_provider,
        model=settings.embedding_model,
        api_key=_revealed(settings.embedding_api_key),
        base_url=settings.embedding_base_url,
    )
    return OpenAIEmbedder(
        base_url=target.base_url,
        model=target.model,
        api_key=target.api_key,
        dimensions=settings.embedding_dimensions,
        encoding_format=settings.embedding_encoding_format,
        batch_size=settings.embedding_batch_size,
        timeout=settings.embedding_timeout,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()

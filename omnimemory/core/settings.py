"""Every setting, its environment variable, its default. Nothing else reads the environment.

A variable may also stand in a ``.env`` file of the working directory; the environment wins.
An empty variable counts as unset. A variable ``X_FILE``, in either place, names a file that holds what
``X`` would say, as mounted secrets do; ``X`` itself wins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from dotenv import dotenv_values
from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from omnimemory.core.errors import ConfigError
from omnimemory.core.providers import canonical_provider
from omnimemory.core.scoring import ScoringWeights
from omnimemory.core.variables import Source, from_files, warn_of_near_misses

_DOTENV = ".env"


def _threshold(value: object) -> object:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return None
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Threshold = Annotated[Annotated[float, Field(ge=-1, le=1)] | None, BeforeValidator(_threshold)]
CompositeThreshold = Annotated[Annotated[float, Field(ge=0, le=2)] | None, BeforeValidator(_threshold)]
PositiveInt = Annotated[int, Field(ge=1)]


def _env(variable: str, default: Any, about: str, **limits: Any) -> Any:
    return Field(default=default, validation_alias=variable, description=about, **limits)


class Settings(BaseSettings):
    """All settings. Build with ``Settings.load`` so that what is wrong reads as a ``ConfigError``.

    A threshold of None is ``auto``: calibrated for the embedder, as cosine scales do not transfer.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_file=_DOTENV, env_ignore_empty=True)

    # Chat model; none configured means the extractive agents.
    llm_api_key: SecretStr | None = _env("LLM_API_KEY", None, "key of the chat model's provider")
    llm_provider: str | None = _env(
        "LLM_PROVIDER", None, "openai, anthropic, mistral, azure, ollama, openrouter, groq or gemini"
    )
    llm_model: str | None = _env("LLM_MODEL", None, "model name; each provider but azure has a default")
    llm_base_url: str | None = _env("LLM_BASE_URL", None, "any OpenAI-compatible endpoint")
    llm_temperature: float = _env("LLM_TEMPERATURE", 0.4, "sampling temperature, 0 to 2", ge=0, le=2)
    llm_max_tokens: int = _env("LLM_MAX_TOKENS", 3000, "longest answer, in tokens", ge=1)
    llm_top_p: float = _env("LLM_TOP_P", 0.9, "nucleus sampling", gt=0, le=1)
    llm_timeout: float = _env("LLM_TIMEOUT", 120, "seconds one request may take", gt=0)

    # Embedder; none configured means wordllama's bundled weights.
    embedding_api_key: SecretStr | None = _env("EMBEDDING_API_KEY", None, "key of the embedder's provider")
    embedding_provider: str | None = _env(
        "EMBEDDING_PROVIDER", None, "wordllama, minilm, fastembed (local) or a provider as above"
    )
    embedding_model: str | None = _env("EMBEDDING_MODEL", None, "embedding model name")
    embedding_base_url: str | None = _env("EMBEDDING_BASE_URL", None, "any OpenAI-compatible endpoint")
    embedding_dimensions: PositiveInt | None = _env(
        "EMBEDDING_DIMENSIONS", None, "numbers per vector; known for well-known models"
    )
    embedding_encoding_format: Literal["base64", "float"] = _env(
        "EMBEDDING_ENCODING_FORMAT", "base64", "base64 or float"
    )
    embedding_timeout: float = _env("EMBEDDING_TIMEOUT", 600, "seconds one request may take", gt=0)
    embedding_batch_size: int = _env("EMBEDDING_BATCH_SIZE", 256, "texts per request", ge=1)
    embedding_max_tokens: int = _env(
        "EMBEDDING_MAX_TOKENS", 8000, "longer texts are cut into pieces and their vectors averaged", ge=16
    )
    embedding_cache_size: int = _env(
        "OMNIMEMORY_EMBEDDING_CACHE_SIZE",
        20_000,
        "vectors kept in memory, of other embedders than wordllama; 0 turns the cache off",
        ge=0,
    )
    embedding_cache_ttl: float = _env(
        "OMNIMEMORY_EMBEDDING_CACHE_TTL", 86_400, "seconds a vector is kept", gt=0
    )

    # Where things are kept.
    provider: Annotated[str, BeforeValidator(canonical_provider)] = _env(
        "OMNI_MEMORY_PROVIDER", "qdrant-local", "vector store; qdrant-local is embedded and needs no server"
    )
    home: Path = Field(
        default_factory=lambda: user_data_path("omnimemory", appauthor=False),
        validation_alias="OMNIMEMORY_HOME",
        description="folder of the ledger, the embedded store, the daemon and the key that seals callback "
        "headers; default: the platform's user data folder, as ~/.local/share/omnimemory",
    )
    ledger_url: str | None = _env(
        "OMNIMEMORY_LEDGER_URL",
        None,
        "the ledger's SQLAlchemy URL; processes that share scopes share a postgresql:// one; default: "
        "POSTGRES_URI where the provider is postgresql, else a SQLite file in OMNIMEMORY_HOME",
        repr=False,  # it may hold a password
    )
    ledger_max_connections: int = _env(
        "OMNIMEMORY_LEDGER_MAX_CONNECTIONS",
        10,
        "connections of one process to a ledger on Postgres, besides two that move data",
        ge=2,
    )
    ledger_synchronous: Literal["FULL", "NORMAL"] = _env(
        "OMNIMEMORY_LEDGER_SYNCHRONOUS",
        "FULL",
        "FULL survives a power cut, NORMAL only the end of the process",
    )
    max_connections: int = _env(
        "OMNIMEMORY_VECTOR_DB_MAX_CONNECTIONS", 10, "connections to a vector database server", ge=1
    )
    vector_db_timeout: float = _env(
        "OMNIMEMORY_VECTOR_DB_TIMEOUT",
        10,
        "seconds one call to a vector database server may take, waiting for a connection included",
        gt=0,
    )
    max_open_collections: int = _env(
        "OMNIMEMORY_MAX_OPEN_COLLECTIONS", 64, "apps whose embedded collection stays open", ge=1
    )
    qdrant_url: str | None = _env("QDRANT_URL", None, "Qdrant server, instead of host and port")
    qdrant_host: str | None = _env("QDRANT_HOST", None, "Qdrant server")
    qdrant_port: int = _env("QDRANT_PORT", 6333, "Qdrant server", ge=1, le=65535)
    qdrant_grpc_port: int | None = _env(
        "QDRANT_GRPC_PORT", None, "Qdrant server; calls go over gRPC when set", ge=1, le=65535
    )
    qdrant_api_key: SecretStr | None = _env("QDRANT_API_KEY", None, "Qdrant server")
    chroma_host: str | None = _env("CHROMA_HOST", None, "Chroma server; may be an https:// URL")
    chroma_port: int = _env("CHROMA_PORT", 8000, "Chroma server", ge=1, le=65535)
    chroma_auth_token: SecretStr | None = _env("CHROMA_AUTH_TOKEN", None, "Chroma server")
    chroma_tenant: str = _env("CHROMA_TENANT", "default_tenant", "Chroma server")
    chroma_database: str = _env("CHROMA_DATABASE", "default_database", "Chroma server")
    chroma_client_type: str | None = _env("CHROMA_CLIENT_TYPE", None, "Chroma client type")
    postgres_uri: SecretStr | None = _env("POSTGRES_URI", None, "PostgreSQL with pgvector")
    mongo_uri: SecretStr | None = _env("MONGO_URI", None, "MongoDB")

    # Synthesis.
    synthesis: bool = _env("OMNIMEMORY_SYNTHESIS", True, "false keeps turns only and makes no notes")
    default_max_messages: int = _env(
        "OMNIMEMORY_DEFAULT_MAX_MESSAGES",
        10,
        "messages in one synthesis: the batch size, and the window of long inputs",
        ge=1,
        le=1000,
    )
    batch_idle_seconds: float = _env(
        "OMNIMEMORY_BATCH_IDLE_SECONDS",
        300,
        "an unfinished batch is synthesised after this long without a message",
        gt=0,
    )
    note_instructions: str | None = _env(
        "OMNIMEMORY_NOTE_INSTRUCTIONS", None, "your own instructions for the agents that write notes"
    )
    worker_concurrency: int = _env("OMNIMEMORY_WORKER_CONCURRENCY", 32, "tasks worked on at once", ge=1)
    task_attempts: int = _env("OMNIMEMORY_TASK_ATTEMPTS", 5, "attempts before a task is parked", ge=1)
    task_timeout: float = _env("OMNIMEMORY_TASK_TIMEOUT", 600, "seconds one attempt may take", gt=0)
    retry_base_seconds: float = _env(
        "OMNIMEMORY_RETRY_BASE_SECONDS",
        1.0,
        "first wait between attempts; doubles each time, with jitter",
        gt=0,
    )
    retry_cap_seconds: float = _env(
        "OMNIMEMORY_RETRY_CAP_SECONDS", 300.0, "longest wait between attempts", gt=0
    )
    lease_seconds: float = _env(
        "OMNIMEMORY_LEASE_SECONDS", 30, "a silent worker's tasks are taken over after this long", gt=0
    )
    resolve_again_seconds: float = _env(
        "OMNIMEMORY_RESOLVE_AGAIN_SECONDS",
        60,
        "a note whose conflicts could not be resolved gets a second pass after this long",
        gt=0,
    )

    # Recall.
    n_results: int = _env("OMNIMEMORY_N_RESULTS", 5, "memories a query returns by default", ge=1, le=1000)
    recall_threshold: Threshold = _env(
        "OMNIMEMORY_RECALL_THRESHOLD", None, "least cosine of a result; auto, or -1 to 1"
    )
    composite_threshold: CompositeThreshold = _env(
        "OMNIMEMORY_COMPOSITE_SCORE_THRESHOLD", None, "least match x boosts of a result; auto, or 0 to 2"
    )
    link_threshold: Threshold = _env(
        "OMNIMEMORY_LINK_THRESHOLD", None, "least cosine that ties two statements; auto, or -1 to 1"
    )
    query_embedding_timeout: float = _env(
        "OMNIMEMORY_QUERY_EMBEDDING_TIMEOUT",
        5,
        "seconds a query waits for its embedding before the words alone decide, and for a reranker",
        gt=0,
    )
    dense_weight: float = _env(
        "OMNIMEMORY_DENSE_WEIGHT", 0.45, "share of meaning in relevance, against words", ge=0, le=1
    )
    substance_weight: float = _env(
        "OMNIMEMORY_SUBSTANCE_WEIGHT", 0.15, "share in relevance of how much a turn says", ge=0, le=0.5
    )
    date_weight: float = _env(
        "OMNIMEMORY_DATE_WEIGHT",
        0.1,
        "share in relevance of nearness to the days a question names",
        ge=0,
        le=0.5,
    )
    recency_weight: float = _env(
        "OMNIMEMORY_RECENCY_WEIGHT", 0.1, "weight of recency in the composite score", ge=0
    )
    importance_weight: float = _env(
        "OMNIMEMORY_IMPORTANCE_WEIGHT", 0.1, "weight of importance in the composite score", ge=0
    )
    recency_hours: float = _env(
        "OMNIMEMORY_RECENCY_HOURS", 10950, "age in hours at which recency has fallen to 1/e", gt=0
    )

    # Limits.
    max_message_chars: int = _env("OMNIMEMORY_MAX_MESSAGE_CHARS", 200_000, "longest message", ge=1)
    max_messages_per_call: int = _env(
        "OMNIMEMORY_MAX_MESSAGES_PER_CALL", 10_000, "most messages in one call", ge=1
    )
    max_query_chars: int = _env("OMNIMEMORY_MAX_QUERY_CHARS", 200_000, "longest query", ge=1)

    # Webhooks.
    webhook_attempts: int = _env(
        "OMNIMEMORY_WEBHOOK_ATTEMPTS", 3, "deliveries tried before a summary task is parked", ge=1
    )
    webhook_base_seconds: float = _env(
        "OMNIMEMORY_WEBHOOK_BASE_SECONDS", 1.0, "first wait between deliveries; doubles each time", gt=0
    )
    webhook_timeout: float = _env("OMNIMEMORY_WEBHOOK_TIMEOUT", 10.0, "seconds one delivery may take", gt=0)
    webhook_secret: SecretStr | None = _env(
        "OMNIMEMORY_WEBHOOK_SECRET", None, "signs deliveries (HMAC-SHA256) when set"
    )
    webhook_allow_private: bool = _env(
        "OMNIMEMORY_WEBHOOK_ALLOW_PRIVATE", False, "true lets callbacks go to private addresses"
    )

    # The server.
    api_keys: SecretStr | None = _env(
        "OMNIMEMORY_API_KEYS",
        None,
        "keys that the REST API takes, separated by commas, or a JSON list of objects with key, label, apps, "
        "users and rights (read, write, monitor); more are made with `omnimemory keys create`",
    )
    api_host: str = _env("OMNIMEMORY_API_HOST", "127.0.0.1", "address that the REST API listens on")
    api_port: int = _env("OMNIMEMORY_API_PORT", 8001, "its port", ge=0, le=65535)
    api_workers: int = _env(
        "WEB_CONCURRENCY", 1, "server processes; several need a ledger and a store that are servers", ge=1
    )
    max_body_bytes: int = _env("OMNIMEMORY_MAX_BODY_BYTES", 4_194_304, "largest request body", ge=1024)
    body_seconds: float = _env("OMNIMEMORY_BODY_SECONDS", 30, "seconds a request body may take", gt=0)
    max_requests: int = _env("OMNIMEMORY_MAX_REQUESTS", 1000, "requests answered at once", ge=1)
    rate_limit: float = _env(
        "OMNIMEMORY_RATE_LIMIT", 2000, "requests a second and API key; twice as many in a burst; 0: any", ge=0
    )
    cors_origins: str | None = _env(
        "OMNIMEMORY_CORS_ORIGINS", None, "web origins that may call the REST API, separated by commas"
    )
    flush_seconds: float = _env(
        "OMNIMEMORY_FLUSH_SECONDS", 30, "seconds a flush waits for its notes; then it answers pending", ge=0
    )
    request_drain_seconds: int = _env(
        "OMNIMEMORY_REQUEST_DRAIN_SECONDS",
        5,
        "seconds requests under way may take once the server is told to stop; then they get a 503",
        ge=0,
    )
    shutdown_seconds: float = _env(
        "OMNIMEMORY_SHUTDOWN_SECONDS", 10, "seconds a stopping server finishes queued work after that", ge=0
    )

    # Observability.
    metrics_server: bool = _env("OMNIMEMORY_ENABLE_METRICS_SERVER", False, "Prometheus endpoint")
    metrics_port: int = _env("OMNIMEMORY_METRICS_PORT", 9001, "its port", ge=1, le=65535)
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = _env(
        "LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR"
    )
    metrics_host: str = _env(
        "OMNIMEMORY_METRICS_HOST", "127.0.0.1", "its address; beyond this machine it needs a token"
    )
    metrics_token: SecretStr | None = _env(
        "OMNIMEMORY_METRICS_TOKEN", None, "what Prometheus sends it as a bearer token"
    )
    traces: bool = _env(
        "OMNIMEMORY_ENABLE_TRACES", False, "OpenTelemetry spans, to the provider that the application set up"
    )
    traces_endpoint: str | None = _env(
        "OMNIMEMORY_TRACES_ENDPOINT",
        None,
        "OTLP/HTTP collector that spans go to, as http://host:4318/v1/traces",
    )
    daily_token_cap: PositiveInt | None = _env(
        "OMNIMEMORY_DAILY_TOKEN_CAP",
        None,
        "model tokens a day (UTC), input and output; past it adds stay queued until the next; unset: no cap",
    )
    log_dir: Path | None = _env(
        "LOG_DIR", None, "folder for log files, five of at most 10 MB; unset: standard error alone"
    )
    log_format: Literal["console", "json"] = _env("LOG_FORMAT", "console", "console or json")
    access_log: bool = _env(
        "OMNIMEMORY_ACCESS_LOG", True, "a line at INFO for each request: method, route, status, time, key"
    )

    @classmethod
    def load(cls, overrides: Mapping[str, object] | None = None) -> Settings:
        """The settings from arguments (by field name), the environment and ``.env``, in this order.

        Raises:
            ConfigError: naming each wrong variable and showing a right value.
        """
        given = cast("dict[str, Any]", dict(overrides or {}))
        if unknown := sorted(set(given) - set(cls.model_fields)):
            raise ConfigError(f"no such setting: {', '.join(unknown)}; known: {', '.join(cls.model_fields)}")
        sources = _sources()
        warn_of_near_misses(_VARIABLES, sources)
        try:
            return cls(
                **from_files(_VARIABLES, sources)
                | {variable_of(field): value for field, value in given.items()}
            )
        except (ValidationError, SettingsError) as exc:
            raise ConfigError(_explain(exc)) from exc

    @property
    def ledger_place(self) -> str | None:
        """The ledger's URL, which for a ``postgresql`` store is the store's; None: a file in ``home``."""
        if self.ledger_url is None and self.provider == "postgresql" and self.postgres_uri is not None:
            return self.postgres_uri.get_secret_value()
        return self.ledger_url

    @property
    def scoring(self) -> ScoringWeights:
        return ScoringWeights(
            recency_weight=self.recency_weight,
            importance_weight=self.importance_weight,
            recency_hours=self.recency_hours,
            dense_weight=self.dense_weight,
            substance_weight=self.substance_weight,
            date_weight=self.date_weight,
        )


def variable_of(field: str) -> str:
    """The environment variable of a field of ``Settings``."""
    return str(Settings.model_fields[field].validation_alias)


_VARIABLES = {variable_of(field): info for field, info in Settings.model_fields.items()}
_EXAMPLES = {
    "OMNIMEMORY_RECALL_THRESHOLD": "auto, or 0.3",
    "OMNIMEMORY_COMPOSITE_SCORE_THRESHOLD": "auto, or 0.5",
    "OMNIMEMORY_LINK_THRESHOLD": "auto, or 0.7",
    "OMNIMEMORY_HOME": "a folder's path",
    "EMBEDDING_DIMENSIONS": "1536",
}


def _sources() -> tuple[Source, Source]:
    try:
        return os.environ, dotenv_values(_DOTENV)
    except (OSError, UnicodeError) as exc:
        raise ConfigError(f"{_DOTENV} cannot be read ({type(exc).__name__}); make it a text file") from exc


def _explain(error: ValidationError | SettingsError) -> str:
    if isinstance(error, SettingsError):
        return f"the environment cannot be read: {error}"
    lines = []
    for item in error.errors(include_url=False):
        name = str(item["loc"][0]) if item["loc"] else ""
        variable = (
            name if name in _VARIABLES else variable_of(name) if name in Settings.model_fields else name
        )
        info = _VARIABLES.get(variable)
        default = None if info is None or info.default_factory is not None else info.default
        example = _EXAMPLES.get(variable) or (None if default is None else str(default))
        hint = f"; a right value is {variable}={example}" if example else ""
        given = (
            ""
            if "KEY" in variable or "SECRET" in variable or "URI" in variable
            else f" (got {item['input']!r})"
        )
        lines.append(f"{variable}: {item['msg'].removeprefix('Value error, ')}{given}{hint}")
    return "; ".join(lines)

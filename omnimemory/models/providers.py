"""Where the model providers are, what they need, and which models they have by default.

All of them are reached through their OpenAI-compatible endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from omnimemory.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Provider:
    """``None`` means there is no default and the user has to say. ``enforces_schema``: see ``Access``."""

    base_url: str | None
    chat_model: str | None = None
    embedding_model: str | None = None
    needs_key: bool = True
    enforces_schema: bool = True
    embeds: bool = True
    example_url: str = "http://localhost:8000/v1"


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "openai": Provider("https://api.openai.com/v1", "gpt-4.1-mini", "text-embedding-3-small"),
        # Anthropic's compatibility layer ignores response_format instead of refusing it.
        "anthropic": Provider(
            "https://api.anthropic.com/v1", "claude-haiku-4-5", enforces_schema=False, embeds=False
        ),
        "mistral": Provider("https://api.mistral.ai/v1", "mistral-small-latest", "mistral-embed"),
        # Model names are the deployments' names there, so there is nothing to default to.
        "azure": Provider(None, example_url="https://YOUR-RESOURCE.openai.azure.com/openai/v1"),
        "ollama": Provider("http://localhost:11434/v1", "llama3.2", "nomic-embed-text", needs_key=False),
        "openrouter": Provider(
            "https://openrouter.ai/api/v1", "openai/gpt-4.1-mini", "openai/text-embedding-3-small"
        ),
        "groq": Provider("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile", embeds=False),
        "gemini": Provider(
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "gemini-2.5-flash",
            "gemini-embedding-001",
        ),
    }
)

DIMENSIONS: Mapping[str, int] = MappingProxyType(
    {
        "text-embedding-3-small": 1536,
        "text-embedding-3-large": 3072,
        "text-embedding-ada-002": 1536,
        "mistral-embed": 1024,
        "nomic-embed-text": 768,
        "mxbai-embed-large": 1024,
        "all-minilm": 384,
        "bge-m3": 1024,
        "gemini-embedding-001": 3072,
    }
)
"""Numbers per vector of well-known embedding models, where the endpoint is not asked for fewer."""


@dataclass(frozen=True, slots=True)
class Access:
    """All that is needed to reach one model.

    ``enforces_schema`` is False where a JSON Schema is known to be ignored without an error; it
    then stands in the prompt from the first call on.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    enforces_schema: bool = True


def native_dimensions(model: str) -> int | None:
    """Numbers per vector of a well-known embedding model; vendor prefixes and tags do not matter."""
    return DIMENSIONS.get(model.rsplit("/", 1)[-1].split(":", 1)[0])


def access(
    purpose: Literal["LLM", "EMBEDDING"],
    *,
    provider: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    base_url: str | None = None,
) -> Access:
    """Where and how to reach a chat model (``LLM``) or an embedder (``EMBEDDING``).

    Without a provider: any OpenAI-compatible server at ``base_url`` (no key needed), else openai.

    Raises:
        ConfigError: an unknown provider, or a key, model or URL is missing; names the variable.
    """
    name = provider.strip().lower() if provider else None
    if name is not None and name not in PROVIDERS:
        raise ConfigError(
            f"{purpose}_PROVIDER: unknown provider {provider!r}; known are {', '.join(PROVIDERS)}; "
            f"for any other OpenAI-compatible server set {purpose}_BASE_URL and leave it out"
        )
    known = Provider(base_url, needs_key=False) if name is None and base_url else PROVIDERS[name or "openai"]
    shown = name or (base_url if base_url else "openai")
    if purpose == "EMBEDDING" and not known.embeds and not base_url:
        raise ConfigError(
            f"EMBEDDING_PROVIDER: {shown} has no embeddings endpoint; use another one "
            f"({', '.join(n for n, p in PROVIDERS.items() if p.embeds)}), "
            "or leave it out for the local embedder"
        )
    url = base_url or known.base_url
    if url is None:
        raise ConfigError(
            f"{purpose}_BASE_URL is missing, {shown} needs it; a right value is {known.example_url}"
        )
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"{purpose}_BASE_URL: {url!r} is not an http(s) URL; a right value is {known.example_url}"
        )
    chosen = model or (known.chat_model if purpose == "LLM" else known.embedding_model)
    if chosen is None:
        raise ConfigError(f"{purpose}_MODEL is missing; {shown} has no default, name a model it serves")
    if known.needs_key and not api_key:
        raise ConfigError(f"{purpose}_API_KEY is missing, {shown} needs it; a right value looks like sk-...")
    return Access(
        base_url=url.rstrip("/"), model=chosen, api_key=api_key or "", enforces_schema=known.enforces_schema
    )

"""Chroma's HTTP interface over a connection pool that is ours."""

from __future__ import annotations

import httpx
from chromadb.api.async_fastapi import AsyncFastAPI
from chromadb.config import Settings, System
from overrides import override


class Server(AsyncFastAPI):
    """The server at ``url``, an http(s) URL with a port; whoever made ``http`` closes it."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        settings = Settings(
            _env_file=None,
            anonymized_telemetry=False,
            chroma_server_host=url,
            chroma_server_http_port=8000,  # required, and unused beside a URL
            chroma_server_ssl_enabled=url.startswith("https:"),
            chroma_server_headers=None,
        )
        super().__init__(System(settings))
        self._http = http

    @override
    def _get_client(self) -> httpx.AsyncClient:
        return self._http

"""An OpenAI-compatible server over real HTTP on loopback that does what a test says.

In a test::

    with ScriptedModelServer({"Resolution": [Fault.rate_limited(1), '{"verdicts": []}']}) as server:
        model = OpenAIChatModel(base_url=server.base_url, model="scripted")

As a process of its own, for benchmarks: ``python -m omnimemory.testing.model_server --delay 0.3``.
It prints its base URL and runs until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self

from omnimemory.testing.replies import Fault, Replies, Request, Script, hashed_vectors, schema_name

EMBEDDINGS = "embeddings"
MODELS = "models"


class ScriptedModelServer:
    """Serves ``/v1/chat/completions``, ``/v1/embeddings`` and ``/v1/models`` from a thread of its own.

    What it answers is the ``Script``'s, which takes faults under the name ``embeddings`` too (a text
    there stands for the normal answer). Attributes may be changed while it runs: ``delay``, seconds
    before each answer; ``rejected``, parameters answered with 400, named in the error's fields or
    only in its text as ``rejection`` says (``json_schema`` rejects that response format alone). It counts
    ``calls`` by name, ``tokens`` and ``most_in_flight`` (requests at once), and keeps every request's body in
    ``requests``.
    """

    def __init__(
        self,
        script: Mapping[str, Replies] | Replies | None = None,
        *,
        delay: float = 0.0,
        dimensions: int = 256,
        rejected: Iterable[str] = (),
        rejection: Literal["fields", "text"] = "fields",
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.script = Script(script)
        self.delay = delay
        self.dimensions = dimensions
        self.rejected = set(rejected)
        self.rejection = rejection
        self.api_key = api_key
        self.port = port
        self.requests: list[Request] = []
        self.calls: Counter[str] = Counter()
        self.tokens = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        ready = threading.Event()
        failure: list[OSError] = []

        def serve() -> None:
            try:
                asyncio.run(self._serve(ready))
            except OSError as exc:
                failure.append(exc)
            finally:
                ready.set()

        self._thread = threading.Thread(target=serve, name="scripted-model-server", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            raise failure[0]

    def stop(self) -> None:
        """Close every connection, also those that hang."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        talks: set[asyncio.Task[None]] = set()

        async def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talk = asyncio.ensure_future(self._talk(reader, writer))
            talks.add(talk)
            try:
                await asyncio.wait({talk})
            finally:
                talks.discard(talk)
                writer.close()

        server = await asyncio.start_server(welcome, "127.0.0.1", self.port, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                method, path, headers, body = await _read_request(reader)
                self.in_flight += 1
                self.most_in_flight = max(self.most_in_flight, self.in_flight)
                try:
                    answer = await self._answer(method, path, headers, body)
                finally:
                    self.in_flight -= 1
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes | None:
        request: Request = json.loads(body) if body else {}
        if self.api_key is not None and headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "the key is wrong", code="invalid_api_key")
        known = {
            ("POST", "/v1/chat/completions"): (schema_name(request) if "messages" in request else ""),
            ("POST", "/v1/embeddings"): EMBEDDINGS,
            ("GET", "/v1/models"): MODELS,
        }
        name = known.get((method, path))
        if name is None:
            return _error(404, f"nothing at {path}", code="not_found")
        self.calls[name] += 1
        self.requests.append(request)
        if self.delay:
            await asyncio.sleep(self.delay)
        if refused := self._refused(request):
            return self._refusal(refused)
        if name == MODELS:
            return _json(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        if name == EMBEDDINGS:
            fault = self.script.fault(name, request)
            return self._embedded(request) if fault is None else await _faulty(fault)
        reply = self.script.reply(request)
        return await _faulty(reply) if isinstance(reply, Fault) else self._completed(request, reply)

    def _refused(self, request: Request) -> str | None:
        if "json_schema" in self.rejected and request.get("response_format", {}).get("type") == "json_schema":
            return "response_format"
        return next((name for name in sorted(self.rejected) if name in request), None)

    def _refusal(self, name: str) -> bytes:
        message = f"Unsupported parameter: '{name}' is not supported with this model."
        if self.rejection == "fields":
            return _error(400, message, code="unsupported_parameter", param=name)
        return _error(400, message)

    def _completed(self, request: Request, text: str) -> bytes:
        asked = sum(len(str(message["content"]).split()) for message in request["messages"])
        said = len(text.split())
        self.tokens += asked + said
        return _json(
            200,
            {
                "id": f"chatcmpl-{sum(self.calls.values())}",
                "object": "chat.completion",
                "created": 0,
                "model": request.get("model", "scripted"),
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": text},
                    }
                ],
                "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
            },
        )

    def _embedded(self, request: Request) -> bytes:
        texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
        vectors = hashed_vectors(texts, request.get("dimensions", self.dimensions))
        asked = sum(len(text.split()) for text in texts)
        self.tokens += asked
        packed = request.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(row.tobytes()).decode() if packed else row.tolist(),
            }
            for index, row in enumerate(vectors)
        ]
        usage = {"prompt_tokens": asked, "total_tokens": asked}
        return _json(200, {"object": "list", "model": request.get("model"), "data": data, "usage": usage})


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as exc:
        raise ConnectionError("the request's head is too long") from exc
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return method, path, headers, body


async def _faulty(fault: Fault) -> bytes | None:
    match fault.kind:
        case "hang":
            await asyncio.Event().wait()
            return None
        case "drop":
            return None
        case "body":
            return _response(fault.status, fault.body.encode())
        case "status":
            extra = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
            return _error(fault.status, fault.message, code=fault.code, param=fault.param, headers=extra)


def _error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    error: dict[str, Any] = {"message": message, "type": "scripted", "param": param, "code": code}
    return _json(status, {"error": error}, headers)


def _json(status: int, value: object, headers: Mapping[str, str] | None = None) -> bytes:
    return _response(status, json.dumps(value).encode(), headers)


def _response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def main() -> None:
    """Serve until standard input ends, so that it never outlives whoever started it."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server with scripted answers.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--script", help="a JSON file: {output class name: answer or list of answers}")
    given = parser.parse_args()
    script = None
    if given.script:
        script = json.loads(Path(given.script).read_text(encoding="utf-8"))
    server = ScriptedModelServer(script, delay=given.delay, dimensions=given.dimensions, port=given.port)
    with server:
        sys.stdout.write(f"{server.base_url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()

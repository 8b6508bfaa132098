"""One OpenAI-compatible endpoint: its client, its limits, its refusals, and what its errors mean."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from omnimemory.core.errors import ConfigError, ModelError, ModelUnavailable, RateLimited
from omnimemory.models.dialect import Dialect

if TYPE_CHECKING:
    import openai

T = TypeVar("T", bound=BaseModel)
Purpose = Literal["LLM", "EMBEDDING"]

_log = logging.getLogger(__name__)
_IDENTIFIER = re.compile(r"[\w.\-\[\]]{1,80}")
_TRANSIENT = frozenset({408, 409, 425})


class Endpoint:
    """Posts JSON and returns validated answers, at most ``max_connections`` at a time.

    The ``openai`` package is imported and its client built at the first call, in a thread. To be
    used from one event loop. No error carries the key or any text of a request.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str,
        model: str,
        timeout: float,
        max_connections: int,
        purpose: Purpose,
        dialect: Dialect,
    ) -> None:
        self.base_url = base_url
        self.model = model
        self._api_key = api_key
        self._timeout = timeout
        self._purpose = purpose
        self._dialect = dialect
        self._slots = asyncio.Semaphore(max_connections)
        self._opening = asyncio.Lock()
        self._client: openai.AsyncOpenAI | None = None

    async def post(self, path: str, body: Mapping[str, Any], answer: type[T]) -> T:
        """The answer to ``body`` plus the model's name, in at most ``timeout`` seconds from a free slot.

        Raises:
            ModelUnavailable: no connection, no answer in time, or a failure on the other side.
            RateLimited: with the seconds to wait where the endpoint says so.
            ModelError: refused; says what to change.
        """
        client = await self._open()
        import openai

        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout):
                    raw = await self._accepted(client, path, {"model": self.model, **body})
            except TimeoutError as exc:
                raise ModelUnavailable(f"{self._label} did not answer within {self._timeout:g} s") from exc
            except openai.APIError as exc:
                raise self._meaning(exc) from exc
            except (json.JSONDecodeError, UnicodeDecodeError) as exc:
                raise ModelUnavailable(f"{self._label} answered with broken JSON") from exc
        try:
            return answer.model_validate(raw)
        except ValidationError as exc:
            raise ModelError(
                f"{self._label} does not answer like an OpenAI-compatible endpoint; "
                f"check {self._purpose}_BASE_URL (it usually ends in /v1)"
            ) from exc

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @property
    def _label(self) -> str:
        return f"the model {self.model} at {self.base_url}"

    async def _open(self) -> openai.AsyncOpenAI:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._build)
            return self._client

    def _build(self) -> openai.AsyncOpenAI:
        try:
            import openai
        except ImportError as exc:
            raise ConfigError(
                "LLM_PROVIDER and EMBEDDING_PROVIDER need the openai package; run: pip install openai"
            ) from exc
        return openai.AsyncOpenAI(
            api_key=self._api_key or "none",  # without one the SDK would take a key from the environment
            base_url=self.base_url,
            timeout=self._timeout,
            max_retries=0,
        )

    async def _accepted(self, client: openai.AsyncOpenAI, path: str, body: Mapping[str, Any]) -> object:
        import openai

        while True:
            sent = self._dialect.used
            try:
                return await client.post(path, cast_to=object, body=self._dialect.speak(body))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
                if not self._dialect.learn(body, sent, param=_blamed(exc), message=exc.message):
                    raise
                _log.info("%s refused a parameter; sending other forms: %s", self._label, self._dialect.used)

    def _meaning(self, error: openai.APIError) -> ModelError:
        import openai

        if isinstance(error, openai.APITimeoutError):
            return ModelUnavailable(f"{self._label} did not answer within {self._timeout:g} s")
        if not isinstance(error, openai.APIStatusError):
            return ModelUnavailable(f"{self._label} cannot be reached; check {self._purpose}_BASE_URL")
        status = error.status_code
        where = f"{self._label} answered {status}{_fields(error)}"
        if status == 429:
            if error.code == "insufficient_quota":
                return ModelError(f"{where}: the account's quota is used up")
            wait = retry_after(error.response.headers)
            return RateLimited(f"{where}: too many requests", retry_after=wait)
        if status >= 500 or status in _TRANSIENT:
            return ModelUnavailable(where)
        return ModelError(f"{where}: {self._advice(status)}")

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            return f"the key was refused; check {self._purpose}_API_KEY"
        if status == 404:
            return f"no such model or path; check {self._purpose}_MODEL and {self._purpose}_BASE_URL"
        if status == 413:
            return "the request is too large; send less text at once"
        return f"the request was refused; check {self._purpose}_MODEL and the length of the texts"


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds to wait by ``Retry-After`` (seconds or an HTTP date), None when it is missing or unreadable.

    ``now`` is seconds since the epoch, by default the clock's.
    """
    given = headers.get("retry-after")
    if given is None:
        return None
    try:
        wait = float(given)
    except ValueError:
        try:
            wait = parsedate_to_datetime(given).timestamp() - (time.time() if now is None else now)
        except ValueError:
            return None
    return max(0.0, wait) if math.isfinite(wait) else None


def _blamed(error: openai.APIStatusError) -> str | None:
    """The parameter that an error's fields name: ``param``, or ``detail[].loc`` as FastAPI's servers do."""
    if error.param:
        return error.param
    details = error.body.get("detail") if isinstance(error.body, dict) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and isinstance(detail.get("loc"), list):
            return ".".join(map(str, detail["loc"]))
    return None


def _fields(error: openai.APIStatusError) -> str:
    # The message may repeat the prompt or parts of the key, so only names get through.
    named = [
        f"{label} {value}"
        for label, value in (("code", error.code), ("param", error.param))
        if isinstance(value, str) and _IDENTIFIER.fullmatch(value)
    ]
    return f" ({', '.join(named)})" if named else ""

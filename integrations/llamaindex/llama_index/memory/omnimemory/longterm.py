"""What the memory and the block share: whose memories, how many, and the block of text for a prompt."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from llama_index.memory.omnimemory.attachment import Attachment
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from omnimemory.core.base import describe
from omnimemory.core.errors import InvalidRequest, OmniMemoryError, ScopeError
from omnimemory.core.scope import AppId, UserId

logger = logging.getLogger(__name__)

_SCOPE_FIELDS = frozenset({"app_id", "user_id", "session_id"})


class LongTerm(BaseModel):
    """Recalls a user's memories as one block of text.

    All fields are plain JSON. The engine is attached again wherever the object is built from them.
    """

    app_id: AppId = Field(description="The application whose memories are meant.")
    user_id: UserId = Field(description="The user whose memories are meant; there is no default.")
    k: int = Field(default=5, ge=1, le=100, description="Memories recalled at most.")
    token_budget: int = Field(default=1000, ge=1, description="Tokens the recalled block may have.")
    fail_open: bool = Field(
        default=True, description="Go on without memories, with a warning, when recall fails."
    )
    engine_key: str | None = Field(
        default=None, description="Names the ledger of a given SDK; None is the environment's."
    )

    _attachment: Attachment = PrivateAttr()

    def __init__(self, **fields: Any) -> None:
        """The fields, and ``memory``: the ``OmniMemorySDK`` to use instead of the environment's.

        Raises:
            ScopeError: an id is missing or not usable.
            InvalidRequest: another field is not usable.
        """
        memory = fields.pop("memory", None)
        attachment = Attachment(memory, key=fields.get("engine_key"))
        try:
            super().__init__(**{**fields, "engine_key": attachment.key})
        except ValidationError as exc:
            wrong = {item["loc"][0] for item in exc.errors(include_url=False) if item["loc"]}
            raise (ScopeError if wrong & _SCOPE_FIELDS else InvalidRequest)(describe(exc)) from exc
        self._attachment = attachment

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        self._attachment = Attachment(key=self.engine_key)

    async def recalled_block(self, query: str, seen: Iterable[str] = ()) -> str:
        """The memories that are useful for ``query``, framed as data; empty when there are none.

        ``seen`` are texts that the prompt holds anyway: turns that say just that are left out.

        Raises:
            OmniMemoryError: recall failed and ``fail_open`` is off.
        """
        if not query.strip():
            return ""
        try:
            recalled = await self._attachment.sdk.recall(
                self.app_id,
                query,
                user_id=self.user_id,
                n_results=self.k,
                token_budget=self.token_budget,
                shown=seen,
            )
        except OmniMemoryError as exc:
            if not self.fail_open:
                raise
            logger.warning("going on without long-term memory, recall failed: %s", type(exc).__name__)
            return ""
        return recalled.block

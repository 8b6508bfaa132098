"""Whose memory a call is about: from the runtime's context, the config, or the constructor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omnimemory.core.errors import ScopeError
from omnimemory.core.schemas import Scope


@dataclass(frozen=True, slots=True)
class Identity:
    """One user of an app, and the session that is going on."""

    app_id: str
    user_id: str
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a constructor was told; checked there, so that a wrong id fails where it was written."""

    app_id: str
    user_id: str | None = None
    session_id: str | None = None

    def __post_init__(self) -> None:
        Scope(app_id=self.app_id, user_id=self.user_id, session_id=self.session_id)

    def identity(
        self,
        *,
        context: object = None,
        configurable: Mapping[str, object] | None = None,
        thread_is_session: bool = False,
    ) -> Identity:
        """The user and session of a call; each from the first source that names it.

        The sources are, in this order: ``context`` (a mapping or an object with attributes),
        ``configurable`` (of a ``RunnableConfig``), the constructor. With ``thread_is_session`` a
        session that none names is the config's ``thread_id``.

        Raises:
            ScopeError: no source names a user, or an id is not usable.
        """
        config = configurable or {}
        user_id = _first(_named(context, "user_id"), config.get("user_id"), self.user_id)
        session_id = _first(_named(context, "session_id"), config.get("session_id"), self.session_id)
        if session_id is None and thread_is_session and config.get("thread_id") is not None:
            session_id = str(config["thread_id"])
        if user_id is None:
            raise ScopeError(
                "user_id is missing: give it to the constructor, in the runtime's context, or as "
                'config={"configurable": {"user_id": ...}}; no shared default is assumed'
            )
        named: dict[str, Any] = {"user_id": user_id, "session_id": session_id}
        scope = Scope(app_id=self.app_id, **named)
        return Identity(scope.app_id, str(scope.user_id), scope.session_id)


def _first(*values: object) -> object:
    return next((value for value in values if value is not None), None)


def _named(context: object, name: str) -> object:
    return context.get(name) if isinstance(context, Mapping) else getattr(context, name, None)

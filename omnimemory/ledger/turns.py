"""Accepting turns: stored once, queued for projection and for synthesis in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Connection, bindparam, func, insert, select, update

from omnimemory.core.errors import IdempotencyConflict
from omnimemory.core.ids import new_id
from omnimemory.core.memories import Neighbours
from omnimemory.core.schemas import Memory, MemoryKind, Scope, Status, StatusReason, TaskKind
from omnimemory.core.scoring import TURN_IMPORTANCE
from omnimemory.ledger import history, locks, outbox, sessions, speakers, transcripts
from omnimemory.ledger.operation import Operations, reads, writes
from omnimemory.ledger.rows import chunked, json_text, memory_of, micros, moment, within
from omnimemory.ledger.schema import BUFFERED, memories, requests
from omnimemory.ledger.tasks import add_task
from omnimemory.ledger.transcripts import session_of
from omnimemory.ledger.values import Appended, AppendMode, Entries, NewTurn, OnChange, Payload

_m = memories.c
_SESSION = (
    _m.app_id == bindparam("app"),
    _m.user_id == bindparam("user"),
    _m.session_id == bindparam("session"),
)
_BY_MESSAGE = select(_m.seq, _m.document, _m.message_id, _m.task_id).where(
    *_SESSION, _m.message_id.in_(bindparam("message_ids", expanding=True))
)
_PENDING = select(func.count()).select_from(memories).where(*_SESSION, BUFFERED)
_DRAIN = update(memories).where(*_SESSION, BUFFERED).values(buffered=0, task_id=bindparam("task"))
_TAIL = (
    select(_m.seq, _m.document)
    .where(*_SESSION, _m.kind == MemoryKind.TURN)
    .order_by(_m.seq.desc())
    .limit(bindparam("limit"))
)
_REQUEST = select(requests.c.request_hash, requests.c.response).where(
    requests.c.app_id == bindparam("app"), requests.c.key == bindparam("id")
)
_BY_ID = select(_m.seq, _m.id, _m.document).where(
    _m.app_id == bindparam("app"), _m.id.in_(bindparam("ids", expanding=True))
)
_INSERT_REQUEST = insert(requests)


@dataclass(slots=True)
class _Known:
    """A turn with a message id that the session holds, or got earlier in this call."""

    turn: Memory
    task_id: str | None


@dataclass(slots=True)
class _Intake:
    """The turns of one call while they are being stored."""

    conn: Connection
    scope: Scope
    now: int
    mode: AppendMode
    on_change: OnChange
    known: dict[str, _Known]
    task_id: str | None = None  # of the new turns; assigned before the first insert
    extended: bool = False  # the session got a new turn
    turns: list[Memory] = field(default_factory=list)
    stored: list[bool] = field(default_factory=list)
    touched: list[Memory] = field(default_factory=list)  # to be projected, with their neighbours

    def accept(self, new: NewTurn) -> None:
        known = None if new.message_id is None else self.known.get(new.message_id)
        if known is None:
            self._keep(self._insert(new), stored=True)
        elif not self.changes(known.turn, new):
            self._keep(known.turn, stored=False)
        elif self.on_change == "version":
            self._keep(self._edit(known.turn, new), stored=True)
        else:
            raise IdempotencyConflict(
                f"message id {new.message_id!r} was stored with other content; "
                "a message id names one message of a session for good"
            )

    def changes(self, turn: Memory, new: NewTurn) -> bool:
        """Whether ``new`` says something else than the stored ``turn``; a deleted one is not revived."""
        if turn.status is Status.DELETED and self.on_change == "version":
            return False
        return (turn.role, turn.text, turn.name) != (new.role, new.text, new.name)

    def brings_news(self, turns: Sequence[NewTurn]) -> bool:
        """Whether any of the turns is not yet stored as it is."""
        known = [None if new.message_id is None else self.known.get(new.message_id) for new in turns]
        return any(old is None or self.changes(old.turn, new) for old, new in zip(known, turns, strict=True))

    def _keep(self, turn: Memory, *, stored: bool) -> None:
        self.turns.append(turn)
        self.stored.append(stored)
        if stored and turn.message_id is not None:
            self.known[turn.message_id] = _Known(turn, self.task_id)

    def _insert(self, new: NewTurn) -> Memory:
        accepted = moment(self.now)
        turn = Memory(
            id=new_id(),
            app_id=self.scope.app_id,
            user_id=self.scope.user_id or "",
            session_id=self.scope.session_id,
            kind=MemoryKind.TURN,
            text=new.text,
            occurred_at=new.occurred_at or accepted,
            created_at=accepted,
            importance=TURN_IMPORTANCE,
            metadata=dict(new.metadata),
            role=new.role,
            name=new.name,
            message_id=new.message_id,
        )
        stored = history.store(self.conn, turn, buffered=self.mode == "buffer", task_id=self.task_id)
        if not self.extended:
            self.extended = True
            sessions.enqueue_previous(self.conn, stored)
        self.touched.append(stored)
        return stored

    def _edit(self, old: Memory, new: NewTurn) -> Memory:
        edited = old.model_copy(
            update={
                "text": new.text,
                "role": new.role,
                "name": new.name,
                "metadata": dict(new.metadata) or old.metadata,
                "version": old.version + 1,
                "status": Status.ACTIVE,
                "status_reason": StatusReason.EDITED,
                "next_id": None,
                "ended_at": None,
                "updated_at": moment(self.now),
            }
        )
        _, stored = history.replace(self.conn, edited, now=self.now)
        marks = {"buffered": int(self.mode == "buffer"), "task_id": self.task_id}
        if self.mode != "none":
            self.conn.execute(update(memories).where(_m.id == old.id).values(**marks))
        self.touched.extend([stored, *sessions.beside(self.conn, stored)])
        return stored


class Turns(Operations):
    """Turns, the batcher's buffer, and requests that must not be carried out twice."""

    @writes
    def append(
        self,
        conn: Connection,
        scope: Scope,
        turns: Sequence[NewTurn],
        *,
        mode: AppendMode,
        task_kind: TaskKind = TaskKind.SYNTHESIS,
        task_payload: Payload | None = None,
        batch_size: int = 10,
        idempotency: tuple[str, str] | None = None,
        on_change: OnChange = "conflict",
        transcript: Entries | None = None,
    ) -> Appended:
        """Store turns, and return once they are on disk.

        A message id that the session holds with equal role, text and name is the same turn. With
        other content it is a conflict, or with ``on_change="version"`` the turn's next version
        (a deleted turn stays deleted and as it is).

        ``mode``: "task" queues a task over the turns stored by this call; "buffer" lets them wait
        and queues a synthesis of all that wait in the session once there are ``batch_size``;
        "none" does neither. ``idempotency`` is a request's key and the hash of its body: the same
        request again changes nothing and gets the first answer. ``transcript`` is written with them.

        Raises:
            ScopeError: the scope names no user.
            IdempotencyConflict: a message id or the key came before with other content. Nothing
                of the call is stored.
        """
        session = session_of(scope)
        if idempotency is not None:
            answer = _first_answer(conn, scope.app_id, *idempotency)
            if answer is not None:
                return _appended(conn, scope.app_id, answer)
        locks.take(conn, locks.of_user(session["app"], session["user"]))
        if transcript is not None:
            transcripts.write(conn, session, transcript)
        now = self._now()
        intake = _Intake(conn, scope, now, mode, on_change, _known(conn, session, turns))
        if mode == "task" and intake.brings_news(turns):
            intake.task_id = add_task(conn, scope, task_kind, task_payload, now=now)
        for turn in turns:
            intake.accept(turn)
        outbox.enqueue(conn, {turn.id: turn for turn in intake.touched}.values())
        speakers.remember(conn, intake.touched)
        pending = conn.execute(_PENDING, session).scalar_one()
        task_id = intake.task_id
        if mode == "buffer" and pending >= batch_size:
            task_id, pending = _drain(conn, session, task_payload, now), 0
        if not any(intake.stored):
            task_id = task_id or _task_of_known(intake)
        appended = Appended(tuple(intake.turns), tuple(intake.stored), task_id, pending)
        if idempotency is not None:
            _remember(conn, scope.app_id, *idempotency, _response(appended), now)
        return appended

    @writes
    def flush_buffer(
        self,
        conn: Connection,
        scope: Scope | None = None,
        *,
        idle_before: datetime | None = None,
        task_payload: Payload | None = None,
    ) -> list[str]:
        """Queue a synthesis for each session of the scope (None: of all) with waiting turns.

        With ``idle_before``, only for sessions whose last waiting turn was stored before then.
        Returns the ids of the new tasks.
        """
        place = (_m.app_id, _m.user_id, _m.session_id)
        waiting = select(*place).where(BUFFERED).group_by(*place).order_by(func.min(_m.seq))
        if scope is not None:
            waiting = waiting.where(*within(memories, scope))
        if idle_before is not None:
            waiting = waiting.having(func.max(_m.created_at) < micros(idle_before))
        users = {(app, user) for app, user, _ in conn.execute(waiting)}
        locks.take(conn, *(locks.of_user(*user) for user in users))
        now = self._now()
        return [
            _drain(conn, {"app": app, "user": user, "session": session}, task_payload, now)
            for app, user, session in conn.execute(waiting).all()  # again: others may have drained some
            if (app, user) in users
        ]

    @reads
    def pending(self, conn: Connection, scope: Scope | None = None) -> int:
        """How many turns wait in the buffer."""
        where = [BUFFERED] if scope is None else [BUFFERED, *within(memories, scope)]
        return conn.execute(select(func.count()).select_from(memories).where(*where)).scalar_one()

    @reads
    def turns_of_task(self, conn: Connection, task_id: str, *, app_id: str | None = None) -> list[Memory]:
        """The turns that a task is about, in order of saying."""
        found = select(_m.seq, _m.document).where(_m.task_id == task_id).order_by(_m.seq)
        if app_id is not None:
            found = found.where(_m.app_id == app_id)
        return [memory_of(row) for row in conn.execute(found)]

    @reads
    def session_tail(self, conn: Connection, scope: Scope, limit: int) -> list[Memory]:
        """The last turns of one session, whatever their status, in order of saying.

        Without a session id: the turns that were stored without one.
        """
        rows = conn.execute(_TAIL, {**session_of(scope), "limit": limit}).all()
        return [memory_of(row) for row in reversed(rows)]

    @reads
    def neighbours(
        self, conn: Connection, turn_ids: Sequence[str], *, app_id: str | None = None
    ) -> dict[str, Neighbours]:
        """For each known turn, the turns around it in its session, deleted ones left out."""
        found: dict[str, Neighbours] = {}
        for part in chunked(turn_ids):
            turns = select(_m.seq, _m.document).where(_m.id.in_(part), _m.kind == MemoryKind.TURN)
            if app_id is not None:
                turns = turns.where(_m.app_id == app_id)
            for turn in [memory_of(row) for row in conn.execute(turns)]:
                found[turn.id] = Neighbours(
                    sessions.previous_turns(conn, turn), sessions.next_turns(conn, turn)
                )
        return found

    @reads
    def find_request(
        self, conn: Connection, app_id: str, key: str, request_hash: str
    ) -> dict[str, JsonValue] | None:
        """The stored answer of a request, None when the key is new.

        Raises:
            IdempotencyConflict: the key was used for another request.
        """
        return _answer(conn, app_id, key, request_hash)

    @writes
    def store_response(
        self, conn: Connection, app_id: str, key: str, request_hash: str, response: Payload
    ) -> dict[str, JsonValue]:
        """Keep a request's answer. Returns the answer that counts: the first one stored.

        Raises:
            IdempotencyConflict: the key was used for another request.
        """
        first = _first_answer(conn, app_id, key, request_hash)
        if first is None:
            _remember(conn, app_id, key, request_hash, response, self._now())
        return dict(response) if first is None else first


def _known(conn: Connection, session: Mapping[str, str], turns: Sequence[NewTurn]) -> dict[str, _Known]:
    ids = [turn.message_id for turn in turns if turn.message_id is not None]
    return {
        row.message_id: _Known(memory_of(row), row.task_id)
        for part in chunked(ids)
        for row in conn.execute(_BY_MESSAGE, {**session, "message_ids": list(part)})
    }


def _task_of_known(intake: _Intake) -> str | None:
    ids = [intake.known[turn.message_id].task_id for turn in intake.turns if turn.message_id is not None]
    return next((task_id for task_id in reversed(ids) if task_id is not None), None)


def _drain(conn: Connection, session: Mapping[str, str], payload: Payload | None, now: int) -> str:
    session_id = session["session"] or None
    scope = Scope.model_construct(app_id=session["app"], user_id=session["user"], session_id=session_id)
    task_id = add_task(conn, scope, TaskKind.SYNTHESIS, payload, now=now)
    conn.execute(_DRAIN, {**session, "task": task_id})
    return task_id


def _answer(conn: Connection, app_id: str, key: str, request_hash: str) -> dict[str, JsonValue] | None:
    row = conn.execute(_REQUEST, {"app": app_id, "id": key}).one_or_none()
    if row is None:
        return None
    if row.request_hash != request_hash:
        raise IdempotencyConflict(
            f"idempotency key {key!r} was used for another request; give each request a key of its own"
        )
    answer: dict[str, JsonValue] = json.loads(row.response)
    return answer


def _first_answer(conn: Connection, app_id: str, key: str, request_hash: str) -> dict[str, JsonValue] | None:
    """The stored answer; where there is none, nobody else stores one before this transaction ends."""
    locks.take(conn, ("request", app_id, key))
    return _answer(conn, app_id, key, request_hash)


def _remember(
    conn: Connection, app_id: str, key: str, request_hash: str, response: Payload, now: int
) -> None:
    conn.execute(
        _INSERT_REQUEST,
        {
            "app_id": app_id,
            "key": key,
            "request_hash": request_hash,
            "response": json_text(response),
            "created_at": now,
        },
    )


def _response(appended: Appended) -> dict[str, JsonValue]:
    return {
        "turns": [turn.id for turn in appended.turns],
        "stored": list(appended.stored),
        "task_id": appended.task_id,
        "pending": appended.pending,
    }


def _appended(conn: Connection, app_id: str, answer: Mapping[str, JsonValue]) -> Appended:
    """The first answer again, with the turns as they are now; erased ones are left out."""
    match answer:
        case {"turns": list(ids), "stored": list(stored), "task_id": task_id, "pending": int(pending)}:
            found = {
                row.id: memory_of(row)
                for part in chunked(ids)
                for row in conn.execute(_BY_ID, {"app": app_id, "ids": list(part)})
            }
            answered = zip(map(str, ids), map(bool, stored), strict=True)
            kept = [(found[turn], was) for turn, was in answered if turn in found]
            return Appended(
                turns=tuple(turn for turn, _ in kept),
                stored=tuple(was for _, was in kept),
                task_id=None if task_id is None else str(task_id),
                pending=pending,
            )
    raise IdempotencyConflict("this idempotency key was used for another kind of request")

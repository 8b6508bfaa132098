"""The ledger's tables, the same on SQLite and Postgres.

Times are whole microseconds since the epoch (UTC). JSON is text. A missing session is stored
as the empty text, which no session id can be, so that unique indexes see it. ``seq`` columns
give the order of insertion and are never used twice.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

VERSION = 3

metadata = MetaData()


def _seq() -> Column[int]:
    # SQLite counts only a column declared INTEGER PRIMARY KEY
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("seq", kind, primary_key=True, autoincrement=True)


meta = Table(
    "ledger_meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

memories = Table(
    "ledger_memories",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("next_id", Text),
    Column("version", Integer, nullable=False),
    Column("occurred_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("message_id", Text),
    Column("unresolved", Integer, nullable=False),
    Column("buffered", Integer, nullable=False),
    Column("task_id", Text),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)

# literals, not parameters: a partial index is used only where the planner sees its condition
BUFFERED = memories.c.buffered == literal_column("1")
UNRESOLVED = memories.c.unresolved == literal_column("1")


def _partial(name: str, condition: object, *columns: Column[object], unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


_m = memories.c
Index("ledger_memories_app", _m.app_id, _m.seq)
Index("ledger_memories_user", _m.app_id, _m.user_id, _m.seq)
Index("ledger_memories_session", _m.app_id, _m.user_id, _m.session_id, _m.kind, _m.seq)
Index("ledger_memories_kind", _m.app_id, _m.kind, _m.status, _m.user_id)
_partial("ledger_memories_buffer", BUFFERED, _m.app_id, _m.user_id, _m.session_id)
_partial("ledger_memories_unresolved", UNRESOLVED, _m.seq)
_partial("ledger_memories_next", _m.next_id.is_not(None), _m.next_id)
_partial("ledger_memories_task", _m.task_id.is_not(None), _m.task_id)
_partial(
    "ledger_memories_message",
    _m.message_id.is_not(None),
    _m.app_id,
    _m.user_id,
    _m.session_id,
    _m.message_id,
    unique=True,
)

speakers = Table(
    "ledger_speakers",
    metadata,
    Column("app_id", Text, primary_key=True),
    Column("word", Text, primary_key=True),  # of a name, as core.speakers compares them
    Column("user_id", Text, primary_key=True),
)
Index("ledger_speakers_user", speakers.c.app_id, speakers.c.user_id)

calibrations = Table(
    "ledger_calibrations",
    metadata,
    Column("app_id", Text, primary_key=True),
    Column("embedder", Text, primary_key=True),
    Column("mean", Double, nullable=False),
    Column("deviation", Double, nullable=False),
    Column("documents", Integer, nullable=False),
)

memory_versions = Table(
    "ledger_memory_versions",
    metadata,
    Column("memory_id", Text, ForeignKey(memories.c.id, ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("replaced_at", BigInteger, nullable=False),
)

citations = Table(
    "ledger_citations",
    metadata,
    Column("turn_id", Text, primary_key=True),
    Column("memory_id", Text, ForeignKey(memories.c.id, ondelete="CASCADE"), primary_key=True),
    Column("statement_id", Text, primary_key=True),
)
Index("ledger_citations_memory", citations.c.memory_id)

decisions = Table(
    "ledger_decisions",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("memory_id", Text, nullable=False),
    Column("new_id", Text),
    Column("document", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ledger_decisions_scope", decisions.c.app_id, decisions.c.user_id, decisions.c.seq)
Index("ledger_decisions_memory", decisions.c.memory_id)
Index("ledger_decisions_new", decisions.c.new_id)

tasks = Table(
    "ledger_tasks",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("open", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("result", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("not_before", BigInteger, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
OPEN = tasks.c.open == literal_column("1")  # queued or running
_partial("ledger_tasks_open", OPEN, tasks.c.app_id, tasks.c.user_id, tasks.c.seq, tasks.c.kind)
PARKED = tasks.c.status == literal_column("'parked'")
parked_tasks = _partial("ledger_tasks_parked", PARKED, tasks.c.seq)
RUNNING = tasks.c.status == literal_column("'running'")
_partial("ledger_tasks_running", RUNNING, tasks.c.app_id, tasks.c.user_id, tasks.c.seq)
Index("ledger_tasks_scope", tasks.c.app_id, tasks.c.user_id, tasks.c.seq)

token_days = Table(
    "ledger_token_days",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),  # days since 0001-01-01, as date.toordinal
    Column("calls", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
)

outbox = Table(
    "ledger_outbox",
    metadata,
    _seq(),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("memory_id", Text, nullable=False),  # may outlive an erased memory: the store has yet to hear
    Column("version", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    sqlite_autoincrement=True,
)
Index("ledger_outbox_scope", outbox.c.app_id, outbox.c.user_id, outbox.c.memory_id)

requests = Table(
    "ledger_requests",
    metadata,
    Column("app_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("request_hash", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("app_id", "key"),
)

transcripts = Table(
    "ledger_transcripts",
    metadata,
    _seq(),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("entries", Text, nullable=False),  # one call's, so that they stay together
    sqlite_autoincrement=True,
)
_t = transcripts.c
Index("ledger_transcripts_session", _t.app_id, _t.user_id, _t.session_id, _t.seq)

# the order of bytes, whatever the database's language: a prefix is a range
_Path = Text().with_variant(Text(collation="C"), "postgresql")

item_namespaces = Table(
    "ledger_item_namespaces",
    metadata,
    _seq(),
    Column("app_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("path", _Path, nullable=False),
    UniqueConstraint("app_id", "user_id", "path"),
    sqlite_autoincrement=True,
)

items = Table(
    "ledger_items",
    metadata,
    _seq(),
    Column("namespace", BigInteger, ForeignKey(item_namespaces.c.seq, ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("ttl", BigInteger),
    Column("expires_at", BigInteger),
    Column("memory_id", Text),  # none where the item is not searched by meaning
    Column("text_key", Text),
    UniqueConstraint("namespace", "key"),
    sqlite_autoincrement=True,
)
Index("ledger_items_order", items.c.namespace, items.c.seq)
_partial("ledger_items_perishable", items.c.expires_at.is_not(None), items.c.expires_at)
_partial("ledger_items_text", items.c.text_key.is_not(None), items.c.text_key)

api_keys = Table(
    "ledger_api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("hash", Text, nullable=False),  # of the secret, which is nowhere stored
    Column("label", Text, nullable=False),
    Column("apps", Text),  # none: every app
    Column("users", Text),
    Column("rights", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

"""Requests and answers as the schema and the page about the API show them."""

from __future__ import annotations

from pydantic import JsonValue

Example = dict[str, JsonValue]

ANN: Example = {"app_id": "shop", "user_id": "ann"}
MONDAY: Example = {**ANN, "session_id": "monday"}

CONVERSATION: Example = {
    **MONDAY,
    "messages": [
        {"role": "user", "content": "I prefer window seats and I live in Oslo."},
        {"role": "assistant", "content": "Noted."},
    ],
    "metadata": {"topic": "travel"},
}
AGENT_MEMORY: Example = {**ANN, "messages": "Ann signed up for the annual plan."}
MESSAGE: Example = {**MONDAY, "role": "user", "content": "Do you ship to Rome?"}
FLUSH: Example = {**ANN, "wait": True}
QUERY: Example = {
    "app_id": "shop",
    "query": "Where does Ann live?",
    "kinds": ["note", "turn"],
    "filters": {"topic": "travel"},
    "token_budget": 500,
}
UPDATE: Example = {"text": "Ann prefers aisle seats."}
SUMMARY: Example = {**ANN, "messages": [{"role": "user", "content": "I need a blue bike by Friday."}]}
QUESTION: Example = {**ANN, "query": "Where does Ann live?"}

# Answers

_SAID_AT = "2026-01-31T12:00:00Z"
_TASK_ID = "806acd4a-5e02-4dcc-9752-c68c03115d5f"
_DELIVERY: Example = {"task_id": _TASK_ID, "status": "done", "at": _SAID_AT}

ACCEPTED: Example = {
    "task_id": _TASK_ID,
    "status": "accepted",
    "message": "2 of 2 messages are new and stored",
    **MONDAY,
}
BATCH: Example = {
    "status": "pending",
    "pending_messages": 1,
    "batch_size": 10,
    "task_id": None,
    "held": None,
    "last_delivery": _DELIVERY,
}
FLUSHED: Example = {
    "status": "flushed",
    "pending_messages": 0,
    "batch_size": 10,
    "task_ids": [_TASK_ID],
    "held": None,
    "last_delivery": _DELIVERY,
}
TURN: Example = {
    "memory_id": "b44ba818-ed15-40c9-8d73-c41304dc31c3",
    "document": "I prefer window seats and I live in Oslo.",
    "memory_note": "I prefer window seats and I live in Oslo.",
    "metadata": {
        **MONDAY,
        "kind": "turn",
        "status": "active",
        "status_reason": "created",
        "version": 1,
        "occurred_at": _SAID_AT,
        "created_at": _SAID_AT,
        "tags": [],
        "keywords": [],
        "queries": [],
        "follow_ups": [],
        "depth": "unknown",
        "importance": 0.4,
        "statements": [],
        "sources": [],
        "metadata": {"topic": "travel"},
        "unresolved": False,
        "role": "user",
        "seq": 1,
    },
}
CHANGED: Example = {**TURN, "success": True}
DELETED: Example = {"success": True, "memory_id": TURN["memory_id"]}
RESULT: Example = {
    **TURN,
    "rank": 1,
    "relevance": 1.0,
    "match": 0.82,
    "similarity_score": 0.44,
    "lexical_score": 0.97,
    "recency_score": 0.99,
    "importance_score": 0.4,
    "composite_score": 1.14,
}
RESULTS: Example = {"memories": [RESULT], "count": 1}
MEMORIES: Example = {"memories": [TURN], "count": 1}
PAGE: Example = {**MEMORIES, "next_cursor": None}
SUMMARISED: Example = {
    "content": "User needs a blue bike by Friday.",
    "delivery": "sync",
    "status": "completed",
    **ANN,
    "session_id": None,
}
SUMMARY_ACCEPTED: Example = {
    "task_id": _TASK_ID,
    "status": "accepted",
    "delivery": "webhook",
    **ANN,
    "session_id": None,
}
ANSWERED: Example = {"answer": "Ann lives in Oslo.", "memories": [RESULT]}
TASK: Example = {
    "task_id": _TASK_ID,
    "kind": "synthesis",
    **MONDAY,
    "status": "done",
    "progress": 1,
    "attempts": 1,
    "error": None,
    "result": {"memory_ids": ["51a51ff9-f510-45c2-9cd2-0c8500f2d262"], "operations": {"CREATE": 1}},
    "created_at": _SAID_AT,
    "started_at": _SAID_AT,
    "finished_at": _SAID_AT,
}
TASKS: Example = {"tasks": [TASK], "count": 1}
POOL_STATS: Example = {
    "agents": "extractive",
    "provider": "qdrant-local",
    "embedder": "wordllama-256",
    "active_handlers": 1,
    "max_connections": 64,
    "available_handlers": 63,
    "unfinished_tasks": 0,
    "not_yet_indexed": 0,
    "held": None,
}
HEALTH: Example = {
    "status": "ok",
    "version": "0.1.0",
    "checks": {
        "ledger": {"status": "ok", "name": "ledger"},
        "store": {"status": "ok", "name": "qdrant-local"},
        "embedder": {"status": "ok", "name": "wordllama-256"},
        "model": {"status": "ok", "name": "extractive"},
    },
}
ROOT: Example = {"name": "OmniMemory", "version": "0.1.0", "docs": "/docs", "health": "/health"}

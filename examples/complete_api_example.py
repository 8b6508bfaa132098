"""The same support agent over the REST API, with nothing but HTTP.

Start the server first: ``omnimemory serve``, or ``uvicorn omnimemory.api.server:app --port 8001``.
``--url`` names another one, ``--key`` the API key that it wants.
"""

from __future__ import annotations

import argparse
import time
import uuid

import httpx

APP, USER, SESSION = "support-desk", "dana", "monday"

CHAT = [
    ("user", "Hi, I'm Dana. My espresso machine, a Brewster 300, leaks water at the bottom."),
    ("assistant", "Sorry to hear that, Dana. Does it leak while brewing or all the time?"),
    ("user", "Only while brewing. I descale it every month and I use soft water."),
    ("assistant", "That points to the pump seal. I can send a replacement seal."),
    ("user", "Please send it to my office at 12 Harbor Street, Oslo."),
    ("assistant", "Done. Would you like updates by e-mail or by text message?"),
    ("user", "I prefer e-mail, never call me, I work night shifts."),
    ("assistant", "Noted: e-mail only, no calls."),
]


def settled(client: httpx.Client, task_id: str) -> str:
    """The task's status once it is done or parked; a real client asks later, or never."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        task = client.get(f"/tasks/{task_id}", params={"app_id": APP}).raise_for_status().json()
        if task["status"] in ("done", "parked"):
            return str(task["status"])
        time.sleep(0.2)
    return "still running"


def show(client: httpx.Client, query: str) -> str | None:
    """The best memories for a query; the id of the first."""
    params: dict[str, str | int] = {"app_id": APP, "user_id": USER, "query": query, "n_results": 3}
    found = client.get("/memories/query", params=params).raise_for_status().json()
    print(f"\n? {query}  ({found['count']} memories)")
    for memory in found["memories"]:
        said = memory["metadata"].get("matched_statement") or memory["document"]  # of a note, what matched
        print(f"  {memory['composite_score']:.2f}  {said[:90]}")
    return found["memories"][0]["memory_id"] if found["memories"] else None


def run(client: httpx.Client) -> None:
    scope = {"app_id": APP, "user_id": USER, "session_id": SESSION}

    # The same request with the same key is one request, however often a network makes us repeat it.
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {**scope, "messages": [{"role": role, "content": content} for role, content in CHAT]}
    accepted = client.post("/memories", json=body, headers=key).raise_for_status().json()
    repeated = client.post("/memories", json=body, headers=key).raise_for_status().json()
    print(f"accepted: {accepted['message']}; repeated, still task {repeated['task_id']}")
    show(client, "Which machine does Dana have?")
    print(f"\nthe task is {settled(client, accepted['task_id'])}")
    best = show(client, "Does Dana prefer e-mail or calls?")

    for content in ("The seal has arrived.", "It fits, thank you!"):
        message = {**scope, "role": "user", "content": content}
        batch = client.post("/memory-batcher/messages", json=message).raise_for_status().json()
        print(f"\nbatch: {batch['pending_messages']} of {batch['batch_size']} messages, {batch['status']}")
    client.post("/memory-batcher/flush", json=scope).raise_for_status()

    if best is not None:
        history = client.get(f"/memories/{best}/evolution", params={"app_id": APP}).raise_for_status().json()
        print(f"\nthe best memory's history has {history['count']} entries")

    asked = {"app_id": APP, "user_id": USER, "query": "Does Dana prefer e-mail or calls?"}
    answer = client.post("/agent/answers", json=asked).raise_for_status().json()
    print(f"\nthe agent says: {answer['answer']}")

    stats = client.get("/system/pool-stats").raise_for_status().json()
    print(f"\nthe store: {stats['active_handlers']} of {stats['max_connections']} connections in use")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8001")
    parser.add_argument("--key", default=None, help="sent as a bearer token")
    given = parser.parse_args()
    headers = {"Authorization": f"Bearer {given.key}"} if given.key else {}
    try:
        with httpx.Client(base_url=f"{given.url}/api/v1", headers=headers, timeout=60) as client:
            run(client)
    except httpx.HTTPStatusError as error:
        detail = error.response.text
        raise SystemExit(f"{error.request.method} {error.request.url.path}: {detail}") from error
    except httpx.TransportError as error:
        raise SystemExit(f"no server at {given.url} ({error}); start one: omnimemory serve") from error


if __name__ == "__main__":
    main()

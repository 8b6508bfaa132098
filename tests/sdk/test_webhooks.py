"""A summary with a callback: signed, retried, logged, and never a way into the caller's network."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from omnimemory import OmniMemorySDK
from omnimemory.core.errors import InvalidRequest
from omnimemory.core.schemas import ConversationSummaryRequest, Message, Task, UserMessages

from .conversations import APP, USER
from .receiver import Receiver, dripping, endless

SECRET = "a shared secret"
TALK = "The user asked about the trip to Oslo. The assistant booked a train for Friday."
BASE_SECONDS = 0.05


@pytest.fixture
async def trusting() -> AsyncIterator[OmniMemorySDK]:
    """An SDK that may call loopback and signs what it sends; its retries come 20 times as fast."""
    settings = {
        "webhook_allow_private": True,
        "webhook_secret": SECRET,
        "webhook_base_seconds": BASE_SECONDS,
        "webhook_timeout": 5.0,
    }
    async with OmniMemorySDK(**settings) as opened:  # type: ignore[arg-type]  # overrides are open
        yield opened


async def asked(sdk: OmniMemorySDK, url: str, headers: dict[str, str] | None = None) -> str:
    """The id of the task of a summary for ``url``."""
    request = ConversationSummaryRequest(
        app_id=APP, user_id=USER, messages=TALK, callback_url=url, callback_headers=headers or {}
    )
    response = await sdk.summarize_conversation(request)
    assert response["status"] == "accepted"
    return str(response["task_id"])


async def summarised(sdk: OmniMemorySDK, url: str, headers: dict[str, str] | None = None) -> Task:
    """The settled task of a summary for ``url``."""
    return await sdk.wait_for_task(await asked(sdk, url, headers), APP, timeout=30)


async def remembered(sdk: OmniMemorySDK) -> Task:
    """The settled task of a note."""
    said = [Message(role="user", content="I moved from Lisbon to Porto.")]
    added = await sdk.add_memory(UserMessages(app_id=APP, user_id=USER, messages=said))
    return await sdk.wait_for_task(added["task_id"], APP, timeout=30)


def attempts(task: Task) -> list[dict[str, object]]:
    assert task.result is not None
    found = task.result["deliveries"]
    assert isinstance(found, list)
    return [dict(entry) for entry in found if isinstance(entry, dict)]


async def test_the_summary_is_posted_with_the_callers_headers(
    trusting: OmniMemorySDK, receiver: Receiver
) -> None:
    task = await summarised(trusting, receiver.url, {"Authorization": "Bearer token123"})
    assert task.status == "done"
    (delivery,) = receiver.deliveries
    assert delivery.path == "/hook"
    assert delivery.headers["authorization"] == "Bearer token123"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert delivery.headers["accept-encoding"] == "identity"
    assert delivery.headers["user-agent"] == "omnimemory"
    assert delivery.body["task_id"] == task.task_id
    assert (delivery.body["app_id"], delivery.body["user_id"]) == (APP, USER)
    assert (delivery.body["status"], delivery.body["delivery"]) == ("completed", "webhook")
    assert "Oslo" in delivery.body["content"]


async def test_the_signature_covers_the_timestamp_and_the_body(
    trusting: OmniMemorySDK, receiver: Receiver
) -> None:
    await summarised(trusting, receiver.url)
    (delivery,) = receiver.deliveries
    signed = delivery.headers["x-omnimemory-timestamp"].encode() + b"." + delivery.content
    expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert delivery.headers["x-omnimemory-signature"] == f"sha256={expected}"


async def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    async with OmniMemorySDK(webhook_allow_private=True) as sdk:
        await summarised(sdk, receiver.url)
    assert "x-omnimemory-signature" not in receiver.deliveries[0].headers


async def test_the_delivery_log_is_in_the_tasks_result(trusting: OmniMemorySDK, receiver: Receiver) -> None:
    receiver.statuses = [503, 429, 200]
    task = await summarised(trusting, receiver.url)
    assert task.status == "done"
    assert [entry.get("status") for entry in attempts(task)] == [None, None, 200]
    assert "503" in str(attempts(task)[0]["error"])
    assert ["next_at" in entry for entry in attempts(task)] == [True, True, False]
    assert task.attempts == 3
    assert len({delivery.content for delivery in receiver.deliveries}) == 1


async def test_a_receiver_that_stays_down_parks_the_task_and_a_retry_delivers(
    trusting: OmniMemorySDK, receiver: Receiver
) -> None:
    receiver.statuses = [500, 500, 500, 200]
    task = await summarised(trusting, receiver.url)
    assert task.status == "parked"
    assert "500" in str(task.error)
    assert len(receiver.deliveries) == 3
    await trusting.retry_task(task.task_id, APP)
    again = await trusting.wait_for_task(task.task_id, APP, timeout=30)
    assert again.status == "done"
    assert len(attempts(again)) == 4


async def test_waits_between_attempts_double(trusting: OmniMemorySDK, receiver: Receiver) -> None:
    receiver.statuses = [500]
    task = await summarised(trusting, receiver.url)
    assert task.started_at is not None
    assert task.finished_at is not None
    assert (task.finished_at - task.started_at).total_seconds() >= BASE_SECONDS * (1 + 2)


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_permanent_refusal_is_not_tried_again(
    trusting: OmniMemorySDK, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]
    task = await summarised(trusting, receiver.url)
    assert task.status == "parked"
    assert str(status) in str(task.error)
    assert len(receiver.deliveries) == 1


async def test_after_a_permanent_refusal_a_retry_has_all_its_attempts(
    trusting: OmniMemorySDK, receiver: Receiver
) -> None:
    receiver.statuses = [404, 500, 500, 200]
    task = await summarised(trusting, receiver.url)
    await trusting.retry_task(task.task_id, APP)
    again = await trusting.wait_for_task(task.task_id, APP, timeout=30)
    assert (again.status, len(receiver.deliveries)) == ("done", 4)


async def test_the_wait_for_the_next_attempt_keeps_nobody_from_work(receiver: Receiver) -> None:
    receiver.statuses = [500]
    async with OmniMemorySDK(
        webhook_allow_private=True, webhook_base_seconds=600.0, worker_concurrency=1
    ) as sdk:
        task_id = await asked(sdk, receiver.url)
        assert (await remembered(sdk)).status == "done"  # its turn came, though the first one is not over
        task = await sdk.get_task(task_id, APP)
        assert task is not None
        assert (task.status, task.attempts) == ("queued", 1)
        assert "500" in str(task.error)
        await sdk.close(drain=False)


async def test_an_answer_that_drips_ends_with_the_deliverys_time() -> None:
    settings = {"webhook_allow_private": True, "webhook_timeout": 0.3, "webhook_attempts": 1}
    async with (
        dripping() as receiver,
        OmniMemorySDK(**settings) as sdk,  # type: ignore[arg-type]  # overrides are open
    ):
        task = await summarised(sdk, receiver.url)
    assert (task.status, receiver.requests) == ("parked", 1)
    assert "no answer within 0.3 s" in str(task.error)


async def test_slow_receivers_leave_most_of_the_worker_to_others() -> None:
    async with (
        dripping() as receiver,
        OmniMemorySDK(webhook_allow_private=True, webhook_timeout=30.0, worker_concurrency=8) as sdk,
    ):
        for _ in range(10):
            await asked(sdk, receiver.url)
        await receiver.begun.wait()
        assert (await remembered(sdk)).status == "done"
        assert receiver.most_open == 2
        await sdk.close(drain=False)


async def test_nothing_is_read_behind_the_status(trusting: OmniMemorySDK) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000000\r\n\r\n"
    async with endless(head, lambda _: bytes(1_000_000)) as receiver:
        task = await summarised(trusting, receiver.url)
        assert task.status == "done"
        assert receiver.sent < 20_000_000


async def test_a_redirect_is_not_followed(trusting: OmniMemorySDK, receiver: Receiver) -> None:
    receiver.statuses = [302, 200]
    task = await summarised(trusting, receiver.url)
    assert task.status == "parked"
    assert [delivery.path for delivery in receiver.deliveries] == ["/hook"]


async def test_a_name_is_sent_as_host_while_its_address_is_called(
    trusting: OmniMemorySDK, receiver: Receiver
) -> None:
    task = await summarised(trusting, f"http://localhost:{receiver.port}/hook?q=1")
    if task.status == "parked":  # where the name means ::1 first, nobody listens
        pytest.skip("localhost is IPv6 first here")
    assert receiver.deliveries[0].headers["host"] == f"localhost:{receiver.port}"
    assert receiver.deliveries[0].path == "/hook?q=1"


async def test_callback_headers_are_unreadable_at_rest(trusting: OmniMemorySDK, receiver: Receiver) -> None:
    await summarised(trusting, receiver.url, {"Authorization": "Bearer very-secret-token"})
    home = trusting.settings.home
    assert all(b"very-secret-token" not in path.read_bytes() for path in home.glob("ledger.db*"))
    assert (home / "secret.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "http://127.9.9.9:8080/hook",
        "http://0.0.0.0/hook",
        "http://10.1.2.3/hook",
        "http://172.16.0.1/hook",
        "http://192.168.1.1/hook",
        "http://100.64.0.1/hook",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/hook",
        "http://[::]/hook",
        "http://[fe80::1]/hook",
        "http://[fc00::1]/hook",
        "http://[fd00:ec2::254]/latest/meta-data",
        "http://[::ffff:127.0.0.1]/hook",
        "http://[::ffff:10.0.0.1]/hook",
        "http://[::ffff:a9fe:a9fe]/latest/meta-data",
        "http://[64:ff9b::a9fe:a9fe]/latest/meta-data",
        "http://[2002:7f00:1::]/hook",
        "http://224.0.0.1/hook",
        "http://255.255.255.255/hook",
    ],
)
async def test_an_address_that_is_not_public_is_refused_at_once(sdk: OmniMemorySDK, url: str) -> None:
    with pytest.raises(InvalidRequest, match="not a public address"):
        await summarised(sdk, url)
    assert await sdk.list_tasks(APP) == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "2130706433", "0x7f.1", "127.1"])
async def test_a_name_that_means_a_private_address_is_never_called(
    sdk: OmniMemorySDK, receiver: Receiver, host: str
) -> None:
    task = await summarised(sdk, f"http://{host}:{receiver.port}/hook")
    assert task.status == "parked"
    assert "not public" in str(task.error)
    assert receiver.deliveries == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/hook",
        "file:///etc/passwd",
        "gopher://example.com/",
        "example.com/hook",
        "http://",
        "http:///hook",
        "http://example.com:99999/hook",
        "http://example.com:port/hook",
        "http://[::1/hook",
        "http://user:password@example.com/hook",
        "http://token@example.com/hook",
        "http://example.com/ho\x00ok",
        "http://example.com/one\r\ntwo",
        "http://exa mple.com/",
        "http://exa%20mple.com/",
        "http://example..com/",
        "http://@example.com/hook",
        "https://m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen.example/hook",
        "",
    ],
)
async def test_what_is_no_plain_http_url_is_refused(sdk: OmniMemorySDK, url: str) -> None:
    with pytest.raises(InvalidRequest, match="callback_url"):
        await summarised(sdk, url)
    assert await sdk.list_tasks(APP) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "internal.example"},
        {"host": "internal.example"},
        {"Content-Length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"user-agent": "ours is sent"},
        {"ACCEPT-ENCODING": "gzip"},
        {"Content-Encoding": "gzip"},
        {"X-OmniMemory-Signature": "sha256=forged"},
        {"x-omnimemory-anything": "ours"},
        {"Authorization": "Bearer one", "authorization": "Bearer two"},
        {"X-Note": "one\r\nX-Injected: two"},
        {"X-Note\r\nX-Injected": "two"},
        {"X-Note": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"},
        {"": "nameless"},
        {"X Note": "a blank in the name"},
        {"X-Note": "a\x00zero"},
    ],
)
async def test_headers_that_are_the_transports_or_malformed_are_refused(
    sdk: OmniMemorySDK, headers: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest, match="callback_headers"):
        await summarised(sdk, "https://example.com/hook", headers)
    assert await sdk.list_tasks(APP) == []

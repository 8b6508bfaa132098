"""docs/WEBHOOKS.md: its receiver takes what is genuine and nothing else."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from omnimemory.core.settings import Settings
from omnimemory.webhooks import OUR_HEADERS, WebhookSender

PAGE = (Path(__file__).parents[2] / "docs" / "WEBHOOKS.md").read_text()
SECRET = "shared"

Genuine = Callable[..., bool]


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps headers and bodies with its server."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append((self.headers, body))  # type: ignore[attr-defined]  # ours
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.taken = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def genuine() -> Genuine:
    """The function of the page."""
    (source,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Genuine] = {}
    exec(source, names)
    return names["genuine"]


@pytest.fixture
async def delivered(receiver: http.server.ThreadingHTTPServer) -> tuple[Mapping[str, str], bytes]:
    """Headers and body of a delivery, as a server gets them."""
    settings = Settings.load({"webhook_secret": SECRET, "webhook_allow_private": True})
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    await WebhookSender(settings).post(
        url, {"task_id": "t1", "content": "caf\N{LATIN SMALL LETTER E WITH ACUTE}"}, {}
    )
    ((headers, body),) = receiver.taken  # type: ignore[attr-defined]
    return headers, body


def test_the_pages_receiver_takes_a_delivery(
    genuine: Genuine, delivered: tuple[Mapping[str, str], bytes]
) -> None:
    assert genuine(*delivered, SECRET)


@pytest.mark.parametrize("fault", ["body", "secret", "later", "unsigned", "stamp"])
def test_the_pages_receiver_takes_nothing_else(
    fault: str, genuine: Genuine, delivered: tuple[Mapping[str, str], bytes]
) -> None:
    headers, body = dict(delivered[0]), delivered[1]
    secret, seconds = SECRET, 300.0
    match fault:
        case "body":
            body += b" "
        case "secret":
            secret = "another"
        case "later":
            seconds = -1
        case "unsigned":
            headers = {}
        case "stamp":
            headers["X-OmniMemory-Timestamp"] = str(int(headers["X-OmniMemory-Timestamp"]) + 1)
    assert not genuine(headers, body, secret, seconds=seconds)


def test_the_page_names_the_headers_that_are_ours() -> None:
    refused = PAGE.partition("In `callback_headers`")[2].lower()
    assert all(f"`{name}`" in refused for name in OUR_HEADERS)

"""The proxy with TLS answers as the API does, by nginx itself where it is installed."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CONFIG = (Path(__file__).parents[2] / "deploy/nginx/nginx.conf").read_text()
NGINX = shutil.which("nginx")
HOST = "memory.example.com"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


class Echo(BaseHTTPRequestHandler):
    """An API that says which request id it was given, and refuses ``/refused`` in words of its own."""

    def do_GET(self) -> None:
        content = str(self.headers["x-request-id"]).encode()
        self.send_response(404 if self.path == "/refused" else 200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def api() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Proxy:
    folder: Path

    def serving(self, api: int, **changed: str) -> Iterator[httpx.Client]:
        """A client of nginx with our configuration, but for ports, paths and what is ``changed``."""
        port = free_port()
        config = CONFIG.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
        config = config.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
        config = config.replace("api-qdrant:8001", f"127.0.0.1:{api}").replace(
            "/etc/nginx/tls", str(self.folder)
        )
        if version() < (1, 25, 1):
            config = config.replace("        http2 on;\n", "")
        for name, value in changed.items():
            config, count = re.subn(rf"\b{name}=[^ ;]+", f"{name}={value}", config)
            assert count == 1
        (self.folder / "nginx.conf").write_text(config)
        options = f"daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log; user root;"
        command = [str(NGINX), "-p", str(self.folder), "-c", str(self.folder / "nginx.conf"), "-g", options]
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        context.check_hostname = False
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                with httpx.Client(
                    base_url=f"https://127.0.0.1:{port}",
                    headers={"Host": HOST},
                    verify=context,
                ) as client:
                    while process.poll() is None:
                        try:
                            socket.create_connection(("127.0.0.1", port), timeout=5).close()
                            break
                        except ConnectionRefusedError:
                            continue
                    assert process.poll() is None, process.stderr and process.stderr.read()
                    yield client
            finally:
                process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def version() -> tuple[int, ...]:
    told = subprocess.run([str(NGINX), "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(int(part) for part in re.findall(r"\d+", told)[:3])


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "privkey.pem").write_bytes(private)
    return Proxy(tmp_path)


@pytest.fixture
def client(proxy: Proxy, api: int) -> Iterator[httpx.Client]:
    yield from proxy.serving(api)


def test_a_callers_request_id_goes_through(client: httpx.Client) -> None:
    assert client.get("/x", headers={"X-Request-ID": "order-4711"}).text == "order-4711"


@pytest.mark.parametrize("given", [{}, {"X-Request-ID": "two words"}, {"X-Request-ID": "x" * 129}])
def test_without_a_usable_one_it_gives_one(client: httpx.Client, given: dict[str, str]) -> None:
    assert re.fullmatch("[0-9a-f]{32}", client.get("/x", headers=given).text)


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    """The problem details of an answer to the request ``r-1``."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "r-1"
    found: dict[str, object] = answer.json()
    assert (found["status"], found["request_id"]) == (status, "r-1")
    return found


def test_metrics_are_not_for_the_world(client: httpx.Client) -> None:
    assert problem(client.get("/metrics", headers={"X-Request-ID": "r-1"}), 404)["code"] == "NotFound"


def test_a_body_that_is_too_large_is_refused_in_the_apis_words(client: httpx.Client) -> None:
    answer = client.post("/x", content=b"x" * 6_000_000, headers={"X-Request-ID": "r-1"})
    assert problem(answer, 413)["code"] == "TooLarge"


def test_what_the_api_refuses_goes_through_as_it_is(client: httpx.Client) -> None:
    answer = client.get("/refused", headers={"X-Request-ID": "r-1"})
    assert (answer.status_code, answer.text) == (404, "r-1")


def test_too_many_requests_are_told_when_to_come_back(proxy: Proxy, api: int) -> None:
    for client in proxy.serving(api, rate="1r/m", burst="1"):
        answers = [client.get("/x", headers={"X-Request-ID": "r-1"}) for _ in range(3)]
        assert problem(answers[-1], 429)["code"] == "TooManyRequests"
        assert answers[-1].headers["retry-after"] == "1"


def test_an_api_that_is_away_is_a_503(proxy: Proxy) -> None:
    for client in proxy.serving(free_port()):
        answer = client.get("/x", headers={"X-Request-ID": "r-1"})
        assert problem(answer, 503)["code"] == "Unavailable"
        assert answer.headers["retry-after"] == "5"

"""Delivering a result to a caller's URL without becoming a tool against its network.

The name is resolved once, every address it has must be public, and the connection is made to that
very address: a second look-up could answer otherwise. No redirects, no caller-set Host header.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import re
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import httpx
from cryptography.fernet import Fernet, InvalidToken
from pydantic import JsonValue

from omnimemory.core.errors import ConfigError, DeliveryFailed, InvalidRequest
from omnimemory.core.settings import Settings

SIGNATURE_HEADER = "X-OmniMemory-Signature"
TIMESTAMP_HEADER = "X-OmniMemory-Timestamp"
OUR_HEADERS = frozenset({"accept-encoding", "content-type", "host", "user-agent"})
TRANSPORT_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
OUR_PREFIX = "x-omnimemory-"

_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HEADER_TEXT = re.compile(r"[\t -~]*")
_HOST_NAME = re.compile(r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def check_callback(url: str, headers: Mapping[str, str], *, allow_private: bool) -> None:
    """Refuse at once what can be seen to be wrong before any look-up.

    Raises:
        InvalidRequest: another scheme than http(s), credentials in the URL, an address that is not
            public, or a header that is ours or the transport's to set, or given twice.
    """
    parts = _split(url)
    try:
        address = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        pass
    else:
        if not (allow_private or _is_public(address)):
            raise InvalidRequest(f"callback_url points to {address}, which is not a public address")
    refused = sorted(name for name in headers if _is_reserved(name.strip().lower()))
    if refused:
        raise InvalidRequest(f"callback_headers may not set {', '.join(refused)}")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidRequest("callback_headers may name a header once; case makes no difference")
    if not all(_HEADER_NAME.fullmatch(name) and _HEADER_TEXT.fullmatch(headers[name]) for name in headers):
        raise InvalidRequest("callback_headers must be names without blanks and single-line ASCII text")


class WebhookSender:
    """Posts JSON to callbacks, signed when a secret is set (HMAC-SHA256 over ``timestamp.body``)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def post(self, url: str, body: Mapping[str, JsonValue], headers: Mapping[str, str]) -> int:
        """Deliver once and return the receiver's 2xx status.

        All of it, from the look-up of the name to the status, takes ``OMNIMEMORY_WEBHOOK_TIMEOUT`` at
        most. What follows the status is not read.

        Raises:
            DeliveryFailed: any other answer, none in time, or a target that is not allowed.
        """
        seconds = self._settings.webhook_timeout
        try:
            async with asyncio.timeout(seconds):
                status = await self._status(url, json.dumps(body, ensure_ascii=False).encode(), headers)
        except TimeoutError as exc:
            raise DeliveryFailed(f"no answer within {seconds:g} s", permanent=False) from exc
        except httpx.HTTPError as exc:
            raise DeliveryFailed(f"no answer: {type(exc).__name__}", permanent=False) from exc
        if 200 <= status < 300:
            return status
        permanent = status < 500 and status not in (408, 425, 429)
        raise DeliveryFailed(f"the receiver answered {status}", permanent=permanent)

    async def _status(self, url: str, content: bytes, headers: Mapping[str, str]) -> int:
        parts = _split(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await self._address(host, port)
        pinned = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{pinned}:{port}").geturl()
        sent = httpx.Headers(headers)
        sent.update(self._own_headers(parts.netloc, content))  # ours win, however theirs are written
        extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
        async with (
            # the time is limited as a whole: a limit for each read lets an answer drip for ever
            httpx.AsyncClient(timeout=httpx.Timeout(None), follow_redirects=False, trust_env=False) as client,
            client.stream("POST", target, content=content, headers=sent, extensions=extensions) as answer,
        ):
            return answer.status_code

    def _own_headers(self, host: str, content: bytes) -> dict[str, str]:
        headers = {
            "Host": host,
            "Content-Type": "application/json",
            "User-Agent": "omnimemory",
            "Accept-Encoding": "identity",
        }
        if self._settings.webhook_secret is not None:
            stamp = str(int(time.time()))
            secret = self._settings.webhook_secret.get_secret_value().encode()
            signature = hmac.new(secret, stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
            headers |= {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: f"sha256={signature}"}
        return headers

    async def _address(self, host: str, port: int) -> str:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise DeliveryFailed(f"{host} cannot be resolved", permanent=False) from exc
        addresses = [str(entry[4][0]) for entry in found]
        if not self._settings.webhook_allow_private:
            private = [a for a in addresses if not _is_public(ipaddress.ip_address(a.partition("%")[0]))]
            if private:
                raise DeliveryFailed(f"{host} resolves to {private[0]}, which is not public", permanent=True)
        return addresses[0]


class HeaderSeal:
    """Encrypts callback headers at rest, as they carry credentials.

    The key is a file beside the ledger, readable by its owner only, made at first use.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "secret.key"

    def seal(self, headers: Mapping[str, str]) -> str:
        return self._fernet().encrypt(json.dumps(dict(headers)).encode()).decode()

    def open(self, sealed: str) -> dict[str, str]:
        """The headers again.

        Raises:
            ConfigError: when the key file was lost or replaced since they were sealed.
        """
        try:
            headers: dict[str, str] = json.loads(self._fernet().decrypt(sealed.encode()))
        except InvalidToken as exc:
            raise ConfigError(f"{self._path} is not the key that sealed these callback headers") from exc
        return headers

    def _fernet(self) -> Fernet:
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("xb") as file:
                self._path.chmod(0o600)
                file.write(Fernet.generate_key())
        except FileExistsError:
            pass
        except OSError as exc:
            raise ConfigError(f"cannot write {self._path}: {exc.strerror}; make its folder writable") from exc
        return Fernet(self._path.read_bytes())


def _split(url: str) -> SplitResult:
    try:
        httpx.URL(url)  # refuses what the transport would
        parts = urlsplit(url)
        port = parts.port
    except (ValueError, httpx.InvalidURL) as exc:
        raise InvalidRequest(f"callback_url is not a URL: {exc}") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidRequest("callback_url must be an http(s) URL, as https://example.com/hook")
    if not parts.netloc.isascii():
        raise InvalidRequest(
            "callback_url must name its host in ASCII, as https://xn--mnchen-3ya.example/hook"
        )
    if parts.username is not None:
        raise InvalidRequest("callback_url may not carry credentials; use callback_headers")
    if not (_HOST_NAME.fullmatch(parts.hostname) or parts.netloc.startswith("[")):
        raise InvalidRequest(f"callback_url names no host: {parts.hostname!r}; as https://example.com/hook")
    return parts


def _is_reserved(name: str) -> bool:
    return name in OUR_HEADERS or name in TRANSPORT_HEADERS or name.startswith(OUR_PREFIX)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    inner = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    if inner is not None:
        return _is_public(inner)
    return address.is_global and not address.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4 or translated (NAT64, RFC 6052)."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour

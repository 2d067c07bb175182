"""One POST to an address a customer of ours named: to the public internet, and nowhere else.

The name is resolved once and the connection is made to the address that was checked, so a name
that changes between the check and the connection gains nothing. Redirects are not followed,
proxies of the environment are not used, and the whole exchange has one deadline.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Timer
from urllib.parse import urlsplit

from django.conf import settings

DEADLINE = 15.0  # seconds for everything
CONNECT = 5.0
EXCERPT = 2000  # bytes of an answer that are kept

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAllowed(ValueError):
    """The address is not one we send to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, or why nothing did."""

    status: int | None
    excerpt: str
    error: str
    duration_ms: int

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str) -> None:
    """Refuse an address we would never send to. Its name is looked up when something is sent.

    :raises NotAllowed: saying why.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise NotAllowed("the address is not a URL") from None
    if parts.scheme not in ("https", "http"):
        raise NotAllowed("the address must begin with https://")
    if not host or parts.username or parts.password or any(c.isspace() for c in url):
        raise NotAllowed("the address must be like https://example.com/path, without a password")
    if parts.scheme == "http" and not settings.WEBHOOK_PRIVATE_NETWORKS:
        raise NotAllowed("the address must begin with https://")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return
    _check_address(literal, is_encrypted=parts.scheme == "https")


def _check_address(address: Address, *, is_encrypted: bool) -> None:
    """Refuse everything that is not the public internet, or named by the operator."""
    plain = getattr(address, "ipv4_mapped", None) or address
    if any(plain in ipaddress.ip_network(net) for net in settings.WEBHOOK_PRIVATE_NETWORKS):
        return
    embedded = [getattr(plain, name, None) for name in ("sixtofour", "teredo")]
    if not plain.is_global or plain.is_multicast or any(embedded) or _is_nat64(plain):
        raise NotAllowed(f"{plain} is not an address of the public internet")
    if not is_encrypted:
        raise NotAllowed("the address must begin with https://")


def _is_nat64(address: Address) -> bool:
    return address.version == 6 and address in ipaddress.IPv6Network("64:ff9b::/96")


def _addresses(host: str, port: int, *, is_encrypted: bool) -> list[str]:
    """Look a name up; every address it has must be allowed."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    for text in addresses:
        _check_address(ipaddress.ip_address(text.partition("%")[0]), is_encrypted=is_encrypted)
    return addresses


class _Pinned(http.client.HTTPConnection):
    """Connects to addresses that were checked, under the name that was asked for."""

    def __init__(self, host: str, port: int, *, encrypted: bool) -> None:
        super().__init__(host, port, timeout=CONNECT)
        self.default_port = 443 if encrypted else 80  # so that Host has no port then
        self._encrypted = encrypted

    def connect(self) -> None:
        error: OSError = OSError("the name has no address")
        for address in _addresses(self.host, self.port, is_encrypted=self._encrypted)[:3]:
            try:
                self.sock = socket.create_connection((address, self.port), CONNECT)
                break
            except OSError as failed:
                error = failed
        else:
            raise error
        if self._encrypted:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def cut(self) -> None:
        """End the exchange whatever it is doing."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send one body; never raises for what the other side does."""
    began = time.monotonic()
    status, excerpt, error = None, "", ""
    try:
        check_url(url)
        status, excerpt = _exchange(url, body, headers)
        error = "" if 200 <= status < 300 else _words(status)
    except NotAllowed as refusal:
        error = str(refusal)
    except socket.gaierror:
        error = "the name of the address could not be looked up"
    except TimeoutError:
        error = "no answer in time"
    except ssl.SSLError as failed:
        error = f"the connection is not secure: {failed.reason or failed}"
    except (OSError, http.client.HTTPException, UnicodeError) as failed:
        error = f"the connection failed: {failed or type(failed).__name__}"
    taken = time.monotonic() - began
    if error and status is None and taken >= DEADLINE:
        error = "no answer in time"
    return Answer(status, excerpt, error[:300], int(taken * 1000))


def _words(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}; redirects are not followed"
    return f"answered {status}"


def _exchange(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    parts = urlsplit(url)
    encrypted = parts.scheme == "https"
    port = parts.port or (443 if encrypted else 80)
    connection = _Pinned(parts.hostname or "", port, encrypted=encrypted)
    timer = Timer(DEADLINE, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {**headers, "Connection": "close"})
        if connection.sock is not None:
            connection.sock.settimeout(DEADLINE)
        response = connection.getresponse()
        return response.status, response.read(EXCERPT).decode(errors="replace").replace("\x00", "")
    finally:
        timer.cancel()
        connection.close()

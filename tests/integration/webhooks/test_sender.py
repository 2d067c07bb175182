"""Nothing is sent to what is not the public internet, whatever an address pretends to be."""

import socket
from typing import Any

import pytest

from monetization.webhooks import sender
from monetization.webhooks.sender import NotAllowed, check_url, post
from tests.integration.webhooks.conftest import Receiver

PRIVATE = [
    "127.0.0.1",
    "10.0.0.8",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",  # noqa: S104
    "224.0.0.1",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused_when_it_is_written(host: str) -> None:
    with pytest.raises(NotAllowed, match="not an address of the public internet"):
        check_url(f"https://{host}/x")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "ftp://example.com",
        "example.com",
        "https://",
        "https://me:secret@example.com/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "javascript:alert(1)",
    ],
)
def test_only_https_to_a_name_is_an_address(url: str) -> None:
    with pytest.raises(NotAllowed):
        check_url(url)


def test_a_public_address_is_fine() -> None:
    check_url("https://example.com:8443/hooks?a=b")
    check_url("https://1.1.1.1/")


def _resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[Any]:
    opened: list[Any] = []

    def look_up(host: str, port: int, **_options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    def connect(address: Any, _timeout: float) -> Any:
        opened.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(sender.socket, "getaddrinfo", look_up)
    monkeypatch.setattr(sender.socket, "create_connection", connect)
    return opened


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("10.1.2.3",), ("1.1.1.1", "169.254.169.254")]
)
def test_a_name_with_a_private_address_is_never_connected_to(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    opened = _resolving_to(monkeypatch, *addresses)

    answer = post("https://rebind.example/", b"{}", {})

    assert (answer.status, opened) == (None, [])
    assert "not an address of the public internet" in answer.error


def test_the_connection_is_made_to_the_address_that_was_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = _resolving_to(monkeypatch, "1.1.1.1")

    answer = post("https://example.com/", b"{}", {})

    assert opened == [("1.1.1.1", 443)]
    assert answer.error == "the connection failed: refused"


def test_plain_http_goes_to_named_networks_only(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    assert post(receiver.url, b"{}", {}).is_accepted
    opened = _resolving_to(monkeypatch, "1.1.1.1")

    answer = post("http://example.com/", b"{}", {})

    assert (answer.error, opened) == ("the address must begin with https://", [])


def test_a_receiver_that_never_answers_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.1/32"]
    monkeypatch.setattr(sender, "DEADLINE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})

    assert (answer.status, answer.error) == (None, "no answer in time")
    assert answer.duration_ms < 2000


def test_what_is_not_secure_is_not_trusted(receiver: Receiver) -> None:
    answer = post(receiver.url.replace("http:", "https:"), b"{}", {})

    assert answer.status is None
    assert "the connection is not secure" in answer.error

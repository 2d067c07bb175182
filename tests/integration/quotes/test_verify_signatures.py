"""One changed byte of anything that was signed is found and named."""

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from quotes.models import QuoteVersion
from quotes.services.verifying import verify_signatures
from tests.integration.quotes.test_signers import mailed_to, send, sign, sign_all, version

__all__ = ["version"]


@pytest.fixture
def tampered(version: QuoteVersion) -> Callable[[str], list[str]]:
    """Runs SQL as somebody who got past every trigger would, and verifies."""
    sign_all(version)
    assert verify_signatures()[1] == []

    def run(statement: str) -> list[str]:
        with pgtrigger.ignore(), connection.cursor() as cursor:
            cursor.execute(statement)
        return verify_signatures()[1]

    return run


CASES = [
    (
        "UPDATE documents_document SET content = set_byte(content, 9, 255 - get_byte(content, 9))"
        " WHERE filename LIKE '%%v1.pdf'",
        "the document was changed",
    ),
    (
        "UPDATE documents_document SET content = set_byte(content, 9, 255 - get_byte(content, 9)),"
        " sha256 = encode(sha256(set_byte(content, 9, 255 - get_byte(content, 9))), 'hex')"
        " WHERE filename LIKE '%%signed.pdf'",
        "Q-00001-v1: the signed copy was changed",
    ),
    (
        "UPDATE quotes_signatureevidence SET ip_address = '203.0.113.8' WHERE sequence = 2",
        r"evidence 2 \(cy@example.com, Q-00001 v1\): what it says was changed",
    ),
    (
        "UPDATE quotes_signatureevidence SET signed_at = signed_at + interval '1 microsecond'"
        " WHERE sequence = 1",
        r"evidence 1 \(ann@example.com",
    ),
    ("DELETE FROM quotes_signatureevidence WHERE sequence = 1", "evidence 1 is missing"),
    ("DELETE FROM quotes_signatureevidence WHERE sequence = 2", "evidence 2 is missing"),
    (
        "DELETE FROM quotes_signatureevidence WHERE sequence = 3",
        "sue@northwind.example signed, but the evidence is missing",
    ),
    (
        "UPDATE quotes_signatureevidence SET sequence = 9 - sequence WHERE sequence > 1",
        "what it says was changed",
    ),
    (
        "UPDATE quotes_orderform SET terms = jsonb_set(terms, '{title}', '\"Cheaper\"')",
        "Q-00001-v1: the terms were changed",
    ),
    (
        "UPDATE quotes_orderform SET evidence_sha256 = repeat('0', 64)",
        "its last signature is missing or was changed",
    ),
]


@pytest.mark.parametrize(("statement", "message"), CASES)
def test_a_change_is_named(
    tampered: Callable[[str], list[str]], statement: str, message: str
) -> None:
    found = tampered(statement)

    assert found
    assert re.search(message, "\n".join(found)), found


def test_a_signature_removed_everywhere_but_from_the_stream_is_missed(
    version: QuoteVersion,
) -> None:
    sign(send(version), "Ann Lee", "ann@example.com")
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM quotes_signatureevidence")
        cursor.execute("UPDATE quotes_signer SET status = 'invited'")

    [said] = verify_signatures()[1]
    assert said.startswith("ann@example.com signed on")


def test_the_command_says_what_it_compared_and_fails_on_a_difference(
    company: Any, version: QuoteVersion
) -> None:
    sign(send(version), "Ann Lee", "ann@example.com")
    assert mailed_to("cy@example.com")
    said = StringIO()

    call_command("verify_signatures", "--tenant", company.slug, stdout=said)
    assert "2 compared, all as signed" in said.getvalue()
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("UPDATE quotes_signatureevidence SET name = 'Bob'")
    with pytest.raises(CommandError, match="1 differences"):
        call_command("verify_signatures", "--tenant", company.slug, stdout=said)

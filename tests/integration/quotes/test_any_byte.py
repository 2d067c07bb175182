"""Whatever single byte of what was signed is changed, `verify_signatures` finds it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pgtrigger
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quotes.models import OrderForm, Quote, QuoteVersion, SignatureEvidence
from quotes.services.verifying import verify_signatures
from tests.factories_billing import make_customer
from tests.integration.quotes.conftest import make_quote
from tests.integration.quotes.test_signers import sign_all, version

__all__ = ["version"]

ANY = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
Verify = Callable[[str, list[Any]], list[str]]

# What a row says is what its hash covers; its own id and its tenant are not said by anybody.
SAID = [str(field.column) for field in SignatureEvidence._meta.local_fields][2:]
FIELDS = {field.column: field for field in SignatureEvidence._meta.local_fields}
FORM = (
    "number", "terms_sha256", "document_sha256", "signed_document_sha256", "evidence_sha256",
    "signer_name", "signer_email", "consent_text", "user_agent",
)  # fmt: skip


@pytest.fixture
def found_after(version: QuoteVersion) -> Iterator[Verify]:
    """Runs SQL past every trigger on three signatures, verifies, and takes the change back."""
    sign_all(version)
    assert verify_signatures()[1] == []

    def run(statement: str, values: list[Any]) -> list[str]:
        with transaction.atomic():
            with pgtrigger.ignore(), connection.cursor() as cursor:
                cursor.execute(statement, values)
                assert cursor.rowcount == 1, statement
            found = verify_signatures()[1]
            transaction.set_rollback(True)
        return found

    yield run
    assert verify_signatures()[1] == []


@given(data=st.data())
@ANY
def test_any_byte_of_a_stored_document(found_after: Verify, data: st.DataObject) -> None:
    form = OrderForm.objects.select_related("document", "signed_document").get()
    document = data.draw(st.sampled_from([form.document, form.signed_document]), "document")
    content = bytes(document.content)
    at = data.draw(st.integers(0, len(content) - 1), "byte")
    flipped = content[at] ^ data.draw(st.integers(1, 255), "bits")
    statement = "UPDATE documents_document SET content = set_byte(content, %s, %s)"

    assert found_after(f"{statement} WHERE id = %s", [at, flipped, document.id])
    # Also by somebody who knows of the hash beside it.
    hashed = f"{statement}, sha256 = encode(sha256(set_byte(content, %s, %s)), 'hex') WHERE id = %s"
    assert found_after(hashed, [at, flipped, at, flipped, document.id])


def _other(known: str, data: st.DataObject) -> str:
    """The text with one character changed; with one if it had none."""
    if not known:
        return "x"
    at = data.draw(st.integers(0, len(known) - 1), "character")
    return known[:at] + ("x" if known[at] != "x" else "y") + known[at + 1 :]


@given(data=st.data())
@settings(ANY, max_examples=2)
def test_any_byte_of_a_row_of_evidence(found_after: Verify, data: st.DataObject) -> None:
    """In every column, of a row that hypothesis chooses."""
    row = SignatureEvidence.objects.get(sequence=data.draw(st.integers(1, 3), "row"))
    for column in SAID:
        known: Any = getattr(row, column)
        match FIELDS[column].get_internal_type():
            case "TenantForeignKey":  # to a version that is there but was not signed
                others = Quote.objects.exclude(id=row.version.quote_id)
                other = others.first() or make_quote("B", make_customer("Beta"))
                said = other.versions.get().id
            case "BooleanField":
                said = not known
            case "DateTimeField":
                said = known.replace(microsecond=known.microsecond ^ 1)
            case "GenericIPAddressField":
                said = f"203.0.113.{data.draw(st.integers(8, 255), 'address')}"
            case "PositiveIntegerField" | "PositiveSmallIntegerField":
                said = known + data.draw(st.integers(3, 30), "more")
            case _:
                said = _other(known, data)
        statement = f'UPDATE quotes_signatureevidence SET "{column}" = %s WHERE id = %s'  # noqa: S608
        assert found_after(statement, [said, row.id]), (column, known, said)


@given(data=st.data())
@settings(ANY, max_examples=2)
def test_any_byte_of_an_order_form(found_after: Verify, data: st.DataObject) -> None:
    form = OrderForm.objects.get()
    for column in FORM:
        statement = f'UPDATE quotes_orderform SET "{column}" = %s WHERE id = %s'  # noqa: S608
        assert found_after(statement, [_other(getattr(form, column), data), form.id]), column


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(at)))
    else:
        yield path, value


@given(data=st.data(), table=st.sampled_from(["quotes_orderform", "quotes_quoteversion"]))
@settings(ANY, max_examples=25)
def test_any_value_of_the_frozen_terms(
    found_after: Verify, table: str, data: st.DataObject
) -> None:
    form = OrderForm.objects.get()
    leaves = [(path, value) for path, value in _leaves(form.terms) if path]
    path, value = data.draw(st.sampled_from(leaves), "leaf")
    other: Any = _other(value, data) if isinstance(value, str) else not value
    if isinstance(value, int) and not isinstance(value, bool):
        other = value + 1
    row = form.id if table == "quotes_orderform" else form.version_id
    statement = f"UPDATE {table} SET terms = jsonb_set(terms, %s, %s) WHERE id = %s"  # noqa: S608

    assert found_after(statement, [list(path), json.dumps(other), row]), (path, value, other)

"""What the SDK sends on our behalf, and what the simulator answers, fit Xero's own specification.

The specification is Xero's and not part of this repository: ``VENDOR_SPECS`` names a folder
with ``xero_accounting.yaml``.
"""

import os
import threading
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from integrations.errors import Refused
from integrations.xero import mapping
from integrations.xero.gateway import Credentials, Gateway
from integrations.xero.simulator import Call, Simulator, serve

SPECS = os.environ.get("VENDOR_SPECS", "")
SPEC = Path(SPECS) / "xero_accounting.yaml"

pytestmark = pytest.mark.skipif(
    not SPECS or not SPEC.is_file(), reason="VENDOR_SPECS names no folder with xero_accounting.yaml"
)

CONTACT = mapping.ContactDocument("7c1c7d3a", "Acme", "ann@acme.example", "GB123")
INVOICE = mapping.InvoiceDocument(
    number="NW-INV-000001",
    currency="GBP",
    issued_on=date(2026, 3, 3),
    due_on=date(2026, 4, 2),
    reference="PO-7",
    lines=(
        mapping.LineDocument("Platform", "platform", Decimal("500.0000"), Decimal("100.0000")),
        mapping.LineDocument("Discount", "platform", Decimal("-49.9900"), Decimal(0)),
    ),
    subtotal=Decimal("450.01"),
    tax=Decimal(100),
    total=Decimal("550.01"),
)


@pytest.fixture
def xero(tmp_path: Path) -> Iterator[tuple[Simulator, Gateway]]:
    simulator = Simulator(tmp_path)
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    gateway = Gateway(
        base_url=f"http://127.0.0.1:{server.server_port}",
        credentials=Credentials("simulator-contract", "simulator"),
    )
    gateway.organisation_id = gateway.organisation().id
    yield simulator, gateway
    server.shutdown()
    thread.join()
    server.server_close()
    simulator.close()


@lru_cache(maxsize=1)
def specification() -> Any:
    from openapi_core import Config, OpenAPI

    return OpenAPI.from_file_path(str(SPEC), config=Config(spec_validator_cls=None))


def as_request(call: Call, body: bytes | None = None) -> Any:
    """Return a recorded call as if it had gone to Xero itself."""
    from openapi_core.testing import MockRequest

    return MockRequest(
        "https://api.xero.com",
        call.method.lower(),
        call.path,
        args=call.query,
        headers=call.headers,
        data=(body if body is not None else call.body) or None,
        content_type=call.headers["content-type"] or "application/json",
    )


def push_both(gateway: Gateway) -> None:
    contact = gateway.push_contact(mapping.contact_request(CONTACT), idempotency_key="a")
    gateway.push_invoice(
        mapping.invoice_request(
            INVOICE, contact_id=contact.external_id, accounts=mapping.Accounts()
        ),
        expected=mapping.figures(INVOICE),
        idempotency_key="b",
    )


class TestRequests:
    def test_every_request_fits_the_specification(self, xero: Any) -> None:
        simulator, gateway = xero
        push_both(gateway)
        asked = [call for call in simulator.calls if call.path.startswith("/api.xro")]

        for call in asked:
            specification().validate_request(as_request(call))

        assert [f"{call.method} {call.path.rpartition('/')[2]}" for call in asked] == [
            "GET Contacts",
            "PUT Contacts",
            "GET Invoices",
            "PUT Invoices",
        ]

    def test_the_check_notices_a_wrong_request(self, xero: Any) -> None:
        from openapi_core.exceptions import OpenAPIError

        simulator, gateway = xero
        push_both(gateway)
        call = simulator.calls[-1]
        wrong = call.body.replace(b'"ACCREC"', b'"NOPE"')

        with pytest.raises(OpenAPIError):
            specification().validate_request(as_request(call, wrong))

    def test_every_write_carries_an_idempotency_key_and_the_organisation(self, xero: Any) -> None:
        simulator, gateway = xero
        push_both(gateway)

        writes = [call for call in simulator.calls if call.method == "PUT"]

        assert [call.headers["idempotency-key"] for call in writes] == ["a", "b"]
        assert {call.headers["xero-tenant-id"] for call in writes} == {gateway.organisation_id}

    def test_the_invoice_says_what_ours_says(self, xero: Any) -> None:
        simulator, gateway = xero
        push_both(gateway)

        (copy,) = simulator.documents("Invoices")

        assert (copy["SubTotal"], copy["TotalTax"], copy["Total"]) == (
            INVOICE.subtotal,
            INVOICE.tax,
            INVOICE.total,
        )
        assert copy["CurrencyCode"] == "GBP"
        assert copy["DueDate"] == "/Date(1775088000000+0000)/"  # 2 April 2026


class TestAnswers:
    """The simulator speaks as Xero does."""

    @pytest.mark.parametrize("resource", ["Contacts", "Invoices", "Organisation"])
    def test_fit_the_specification(self, xero: Any, resource: str) -> None:
        from openapi_core.testing import MockResponse

        simulator, gateway = xero
        push_both(gateway)
        headers = {"xero-tenant-id": gateway.organisation_id, "content-type": ""}
        call = Call("GET", f"/api.xro/2.0/{resource}", {}, headers, b"")

        status, body = answer_to(simulator, gateway, call)

        assert status == 200
        specification().validate_response(
            as_request(call), MockResponse(body, status_code=200, content_type="application/json")
        )

    def test_a_duplicate_number_is_refused_in_xeros_words(self, xero: Any) -> None:
        simulator, gateway = xero
        push_both(gateway)
        first = [call for call in simulator.calls if call.path.endswith("/Invoices")][-1]
        again = Call(
            "PUT", first.path, first.query, {**first.headers, "idempotency-key": "c"}, first.body
        )

        status, body = answer_to(simulator, gateway, again)

        assert status == 400
        assert b"Invoice # must be unique." in body
        assert len(simulator.documents("Invoices")) == 1

    def test_a_repeated_key_gets_the_first_answer(self, xero: Any) -> None:
        simulator, gateway = xero
        push_both(gateway)
        first = [call for call in simulator.calls if call.path.endswith("/Invoices")][-1]

        status, body = answer_to(simulator, gateway, first)

        assert status == 200
        assert simulator.documents("Invoices")[0]["InvoiceID"].encode() in body
        assert len(simulator.documents("Invoices")) == 1


def answer_to(simulator: Simulator, gateway: Gateway, call: Call) -> tuple[int, bytes]:
    """Ask over HTTP, without the SDK."""
    import urllib3

    token = gateway._token()["access_token"]
    answer = urllib3.request(
        call.method,
        gateway.base_url + call.path,
        fields=None if call.body else call.query,
        body=call.body or None,
        headers={**call.headers, "authorization": f"Bearer {token}"},
    )
    return answer.status, answer.data


class TestRefusals:
    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("AccountCode", "999", "Account code '999' is not a valid code"),
            ("TaxType", "NOPE", "The TaxType code 'NOPE' does not exist"),
            ("LineAmount", "501", "The line total 501.0 does not match the expected line total"),
            ("UnitAmount", "499.99", "does not match the expected line total 499.99"),
        ],
    )
    def test_reach_us_in_xeros_words(self, xero: Any, field: str, value: str, words: str) -> None:
        _, gateway = xero
        contact = gateway.push_contact(mapping.contact_request(CONTACT), idempotency_key="a")
        request = mapping.invoice_request(
            INVOICE, contact_id=contact.external_id, accounts=mapping.Accounts()
        )
        request["LineItems"][0][field] = value

        with pytest.raises(Refused, match=words):
            gateway.push_invoice(request, expected=mapping.figures(INVOICE), idempotency_key="b")

    def test_an_unknown_contact(self, xero: Any) -> None:
        _, gateway = xero
        request = mapping.invoice_request(INVOICE, contact_id="nobody", accounts=mapping.Accounts())

        with pytest.raises(Refused, match="could not be found"):
            gateway.push_invoice(request, expected=mapping.figures(INVOICE), idempotency_key="b")

    def test_credentials_that_open_nothing_of_another_tenant(self, xero: Any) -> None:
        from integrations.errors import Unavailable

        _, gateway = xero
        intruder = Gateway(
            base_url=gateway.base_url, credentials=Credentials("simulator-contract", "guess")
        )

        with pytest.raises(Unavailable, match="does not accept"):
            intruder.organisation()

    def test_two_gateways_do_not_share_a_token(self, xero: Any) -> None:
        _, gateway = xero
        other = Gateway(
            base_url=gateway.base_url, credentials=Credentials("simulator-two", "simulator")
        )

        assert other.organisation().id != gateway.organisation_id
        assert gateway.organisation().id == gateway.organisation_id
        shared = other.client.configuration.oauth2_token
        assert shared is not gateway.client.configuration.oauth2_token

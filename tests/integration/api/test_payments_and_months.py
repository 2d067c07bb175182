"""Fields of payments, issuing, crediting and closing that make no sense are named."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api, fields_of

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


@pytest.fixture
def invoice(api: Api, inside: Any) -> Any:
    """An issued invoice of 500.00 USD."""
    with inside():
        billed(deal(PLATFORM), now=NOW)
    draft = api.get("invoices", {"month": "2026-01"}).json()["results"][0]
    return api.made(f"invoices/{draft['id']}/issue", {"issued_on": "2026-02-02"}, status=200)


def payment(invoice: Any, **changes: Any) -> dict[str, Any]:
    return {
        "customer": invoice["customer"],
        "currency": "USD",
        "amount": "200.00",
        "received_on": "2026-02-03",
        "reference": "wire-1",
        **changes,
    }


class TestPayments:
    def test_a_part_payment_settles_what_it_says(self, api: Api, invoice: Any) -> None:
        part = [{"invoice": invoice["id"], "amount": "150.00"}]
        made = api.made("payments", payment(invoice, allocations=part))

        found = api.get(f"invoices/{invoice['id']}").json()
        assert made["allocations"] == part
        assert (found["paid_amount"], found["payment_status"]) == ("150.00", "partially_paid")
        assert api.get("payments", {"invoice": invoice["id"]}).json()["results"] == [made]

    def test_the_same_transfer_is_recorded_once(self, api: Api, invoice: Any) -> None:
        api.made("payments", payment(invoice))

        answer = api.post("payments", payment(invoice))

        assert (answer.status_code, answer.json()["code"]) == (409, "payment_reference_known")

    def test_more_than_is_owed_cannot_be_allocated(self, api: Api, invoice: Any) -> None:
        part = [{"invoice": invoice["id"], "amount": "500.01"}]

        answer = api.post("payments", payment(invoice, amount="600", allocations=part))

        assert (answer.status_code, answer.json()["code"]) == (409, "allocation_too_large")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"customer": "0198f0d4-0000-7000-8000-000000000000"}, "customer"),
            ({"amount": "0"}, "amount"),
            ({"amount": "-5"}, "amount"),
            ({"amount": "1.005"}, "amount"),
            ({"amount": "1e30"}, "amount"),
            ({"amount": None}, "amount"),
            ({"currency": "JPY", "amount": "1.50"}, "amount"),
            ({"currency": "usd"}, "currency"),
            ({"received_on": "2026-02-30"}, "received_on"),
            ({"reference": ""}, "reference"),
            ({"method": "x" * 41}, "method"),
            ({"allocations": [{"amount": "1"}]}, "allocations[0].invoice"),
        ],
    )
    def test_names_the_field_that_is_wrong(
        self, api: Api, invoice: Any, change: dict[str, Any], field: str
    ) -> None:
        assert fields_of(api.post("payments", payment(invoice, **change))) == {field}

    def test_an_invoice_is_named_once_with_whole_cents(self, api: Api, invoice: Any) -> None:
        parts = [{"invoice": invoice["id"], "amount": amount} for amount in ("1", "0.001")]

        answer = api.post("payments", payment(invoice, allocations=parts))

        assert fields_of(answer) == {"allocations[1].invoice", "allocations[1].amount"}


class TestInvoices:
    def test_void_and_credit_need_a_reason(self, api: Api, invoice: Any) -> None:
        for action in ("void", "credit"):
            for body in ({}, {"reason": ""}, {"reason": "x" * 301}):
                answer = api.post(f"invoices/{invoice['id']}/{action}", body)
                assert fields_of(answer) == {"reason"}

    def test_a_void_keeps_its_number(self, api: Api, invoice: Any) -> None:
        voided = api.made(f"invoices/{invoice['id']}/void", {"reason": "Wrong"}, status=200)

        assert (voided["status"], voided["number"]) == ("void", invoice["number"])
        answer = api.post(f"invoices/{invoice['id']}/issue")
        assert (answer.status_code, answer.json()["code"]) == (409, "invoice_not_draft")

    def test_an_issued_invoice_is_not_recalculated(self, api: Api, invoice: Any) -> None:
        found = api.made(f"invoices/{invoice['id']}/recalculate", status=200)

        assert (found["changes"], found["content_sha256"]) == ([], invoice["content_sha256"])

    def test_the_first_calculation_is_kept_with_its_cause(self, api: Api, invoice: Any) -> None:
        (found,) = api.get(f"invoices/{invoice['id']}/recalculations").json()["results"]

        assert (found["total_before"], found["total_after"]) == ("0.00", "500.00")
        assert [change["cause"] for change in found["changes"]] == ["new"]

    def test_a_draft_can_be_laid_out_before_it_is_issued(self, api: Api, invoice: Any) -> None:
        draft = api.get("invoices", {"status": "draft"}).json()["results"][0]

        file = api.client.get(
            f"/api/v1/invoices/{draft['id']}/pdf",
            headers={**api.headers, "Accept": "application/pdf"},
        )

        assert (file.status_code, file["Content-Type"]) == (200, "application/pdf")
        assert file.content.startswith(b"%PDF")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"issued_on": "9999-12-31"}, "issued_on"),
            ({"ignore_grace": "perhaps"}, "ignore_grace"),
            ({"number": "1"}, "number"),
            ([], ""),
        ],
    )
    def test_names_the_field_of_an_issue(
        self, api: Api, invoice: Any, body: Any, field: str
    ) -> None:
        assert fields_of(api.post(f"invoices/{invoice['id']}/issue", body)) == {field}


class TestMonths:
    @pytest.mark.parametrize("path", ["recognize", "close", "reopen"])
    @pytest.mark.parametrize("month", ["2026-1", "2026-13", "1026-01", "2026-01-01", 202601, None])
    def test_a_month_is_written_as_one(self, api: Api, path: str, month: Any) -> None:
        answer = api.post(f"revenue/{path}", {"month": month, "reason": "x"})

        assert "month" in fields_of(answer)

    def test_an_open_month_cannot_be_reopened(self, api: Api) -> None:
        answer = api.post("revenue/reopen", {"month": "2026-01", "reason": "x"})

        assert (answer.status_code, answer.json()["code"]) == (409, "period_not_closed")

"""Late usage over REST: what the page shows can be listed, exported and routed by a program."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from billing.models import Invoice, InvoiceLine, LateUsageDecision
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from tests.integration.api.conftest import Api, fields_of
from tests.integration.billing.test_late_usage import MARCH, issued, use

pytestmark = pytest.mark.usefixtures("late")
MONTH = {"month": "2026-03"}


@pytest.fixture
def late(inside: Callable[[], Any]) -> Invoice:
    """900 calls were billed and 300 came later: 26.00 more through the tiers."""
    with inside():
        invoice = issued()
        use(300, "late")
    return invoice


def run(answer: Any, inside: Callable[[], Any]) -> list[tuple[str, str]]:
    """Work a job off; return how its items ended."""
    with inside():
        job = Job.objects.get(id=answer["id"])
        token = claim_job(job_id=job.id, now=MARCH)
        assert token
        while run_next_batch(job_id=job.id, token=token, now=MARCH):
            pass
        return [(item.status, item.error) for item in job.items.all()]


class TestListing:
    def test_tells_what_was_billed_and_what_it_would_be_now(self, api: Api, late: Invoice) -> None:
        answer = api.get("late-usage", MONTH).json()

        assert answer["count"] == 1
        (one,) = answer["results"]
        (line,) = one.pop("lines")
        assert one == {
            "id": str(late.id),
            "number": late.number,
            "customer": str(late.customer_id),
            "customer_name": "Acme",
            "bill_on": "2026-03-01",
            "currency": "USD",
            "owed": "26.00",
            "proposed": "next_invoice",
        }
        assert (line["quantity_billed"], line["quantity_now"]) == ("900", "1200")
        assert (line["service_start"], line["service_end"]) == ("2026-02-01", "2026-03-01")

    @pytest.mark.parametrize(
        ("asked", "count"),
        [
            ({"since": "2026-02-01", "until": "2026-03-02"}, 1),
            ({"since": "2026-02-01", "until": "2026-03-01"}, 0),
            ({"month": "2026-02"}, 0),
            ({**MONTH, "proposed": "next_invoice"}, 1),
            ({**MONTH, "proposed": "credit_note"}, 0),
        ],
    )
    def test_takes_the_days_and_the_proposal_asked_for(
        self, api: Api, asked: dict[str, str], count: int
    ) -> None:
        assert api.get("late-usage", asked).json()["count"] == count

    def test_takes_one_customer(self, api: Api, late: Invoice, customer: Any) -> None:
        def count(id: Any) -> int:
            found: int = api.get("late-usage", {**MONTH, "customer": str(id)}).json()["count"]
            return found

        assert (count(late.customer_id), count(customer["id"])) == (1, 0)

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"month": "March"}, "month"),
            ({**MONTH, "since": "2026-01-01", "until": "2026-02-01"}, "month"),
            ({"since": "2026-01-01"}, "until"),
            ({"until": "2026-01-01"}, "since"),
            ({"since": "2026-01-02", "until": "2026-01-02"}, "until"),
            ({"since": "2020-01-01", "until": "2026-01-02"}, "until"),
            ({"customer": "acme"}, "customer"),
            ({"customer": "00000000-0000-0000-0000-000000000000"}, "customer"),
            ({"proposed": "left"}, "proposed"),
            ({"months": "2026-03"}, "months"),
        ],
    )
    def test_names_what_is_wrong(self, api: Api, asked: dict[str, str], field: str) -> None:
        assert fields_of(api.get("late-usage", asked)) == {field}
        assert fields_of(api.get("late-usage/export", asked)) == {field}

    def test_is_exported_with_a_row_for_each_line(self, api: Api, late: Invoice) -> None:
        answer = api.get("late-usage/export", MONTH)

        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        text = b"".join(answer.streaming_content).decode("utf-8-sig")
        (row,) = csv.DictReader(io.StringIO(text))
        assert (row["Invoice"], row["Quantity billed"], row["Quantity now"]) == (
            late.number,
            "900",
            "1200",
        )
        assert (row["Owed more"], row["Currency"], row["Proposed"]) == ("26", "USD", "next_invoice")


class TestRouting:
    def test_bills_what_a_filter_finds_on_the_next_invoice(
        self, api: Api, inside: Callable[[], Any]
    ) -> None:
        body = {"action": "next_invoice", "reason": "feed was down", "filter": MONTH}

        job = api.made("late-usage/route", body, status=202)

        assert run(job, inside) == [("done", "")]
        with inside():
            line = InvoiceLine.objects.get(is_manual=True)
            assert (line.amount, str(line.service_start)) == (26, "2026-02-01")
            assert LateUsageDecision.objects.get().reason == "feed was down"
        assert api.get("late-usage", MONTH).json()["count"] == 0
        assert api.post("late-usage/route", body).json()["code"] == "nothing_selected"

    def test_leaves_the_invoices_named_for_good(
        self, api: Api, late: Invoice, inside: Callable[[], Any]
    ) -> None:
        body = {"action": "left", "reason": "goodwill", "ids": [str(late.id)]}

        job = api.made("late-usage/route", body, status=202)

        assert run(job, inside) == [("done", "")]
        assert api.get("late-usage", MONTH).json()["count"] == 0

    def test_does_not_credit_what_is_owed_more(
        self, api: Api, late: Invoice, inside: Callable[[], Any]
    ) -> None:
        body = {"action": "credit_note", "reason": "r", "ids": [str(late.id)]}

        ((status, error),) = run(api.made("late-usage/route", body, status=202), inside)

        assert (status, "put it on the next invoice" in error) == ("failed", True)
        assert api.get("late-usage", MONTH).json()["count"] == 1

    def test_routes_once_for_one_idempotency_key(self, api: Api, late: Invoice) -> None:
        body = {"action": "left", "reason": "r", "ids": [str(late.id)]}
        key = {"Idempotency-Key": "k1"}

        first, again = (api.post("late-usage/route", body, **key).json()["id"] for _ in range(2))

        assert first == again

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"reason": "r", "filter": MONTH}, {"action"}),
            ({"action": "gone", "reason": "r", "filter": MONTH}, {"action"}),
            ({"action": "left", "filter": MONTH}, {"reason"}),
            ({"action": "left", "reason": " ", "filter": MONTH}, {"reason"}),
            ({"action": "left", "reason": "r"}, {"ids"}),
            ({"action": "left", "reason": "r", "ids": []}, {"ids"}),
            ({"action": "left", "reason": "r", "ids": ["x"]}, {"ids[0]"}),
            (
                {"action": "left", "reason": "r", "filter": {"month": "2026-3"}},
                {"filter.month"},
            ),
        ],
    )
    def test_names_what_is_wrong(self, api: Api, body: dict[str, Any], fields: set[str]) -> None:
        assert fields_of(api.post("late-usage/route", body)) == fields

    def test_needs_the_permission_and_the_company(
        self, company: Any, late: Invoice, make_tenant: Callable[..., Any]
    ) -> None:
        body = {"action": "left", "reason": "r", "ids": [str(late.id)]}
        stranger = Api(make_tenant("Someone Else"))

        assert Api(company, "usage:read").get("late-usage").status_code == 403
        assert Api(company, "invoices:read").post("late-usage/route", body).status_code == 403
        assert stranger.get("late-usage", MONTH).json()["count"] == 0
        assert fields_of(stranger.post("late-usage/route", body)) == {"ids[0]"}

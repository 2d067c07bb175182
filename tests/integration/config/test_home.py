"""The checklist on Home: what is left, where it is fixed, and who did it last."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Invoice
from billing.services.assertions import set_rule
from billing.services.bulk import start_bulk
from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.config.web.checklist import steps
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context
from tests.factories import make_member, make_tenant
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TODAY = date(2026, 3, 3)


@pytest.fixture
def seller() -> Any:
    made = make_tenant("Checked")
    with tenant_context(made.id, actor="fay@example.com"):
        create_meter(
            key="calls", name="Calls", event_type="api", aggregation="sum",
            value_property="n", now=NOW,
        )  # fmt: skip
        billed(deal(PLATFORM, CALLS), now=NOW, customer=make_customer())
    return made


def left(tenant: Any) -> dict[str, int]:
    with tenant_context(tenant.id):
        return {step.title: step.left for step in steps(TODAY, "UTC")}


def test_each_blocker_is_counted(seller: Any) -> None:
    with tenant_context(seller.id, actor="test"):
        set_rule(kind="total_within_limit", is_enabled=True, parameters={"limit": "1"}, now=NOW)
        far = datetime(2026, 9, 1, tzinfo=UTC)
        for alias, at in (("nobody", NOW), ("acme", far)):
            record_usage_events(
                [UsageEvent("t", alias, "api", alias, at, {"n": Decimal(1)})], now=NOW
            )
    assert left(seller) == {
        "Attribute usage": 1,
        "Look at held usage": 1,
        "Fix or waive failed assertions": 3,
        "Review and issue drafts": 3,
        "Answer credits and voids asked for": 0,
        "Send invoices": 0,
        "Clear what failed": 0,
        "Recognize and close February 2026": 1,
    }


def test_a_new_company_has_no_month_to_close(tenant: Any) -> None:
    last = steps(TODAY, "UTC")[-1]

    assert last.is_done
    assert last.detail == "No books yet: they begin with the first activated contract"


def test_it_says_who_issued_last_and_how_many(seller: Any) -> None:
    with tenant_context(seller.id, actor="fay@example.com"):
        drafts = Invoice.objects.filter(status="draft").values_list("id", flat=True)
        job = start_bulk(action="issue", invoice_ids=drafts, issued_on=TODAY)
        token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    more = True
    while more:
        with tenant_context(seller.id, actor="fay@example.com"):
            more = run_next_batch(job_id=job.id, token=token, now=NOW)
    with tenant_context(seller.id):
        found = {step.title: step for step in steps(TODAY, "UTC")}
    assert found["Review and issue drafts"].last == (
        "Issued 3 by fay@example.com, 3 Mar 2026 12:00"
    )
    assert found["Send invoices"].left == 3


def test_every_step_leads_to_the_view_that_fixes_it(seller: Any, client: Client) -> None:
    client.force_login(make_member(seller, "finance"))
    page = client.get("/").content.decode()
    with tenant_context(seller.id):
        for step in steps(datetime.now(UTC).date(), "UTC"):
            assert step.title in page
            address = reverse(step.url_name)
            assert address in page
            assert client.get(f"{address}?{step.query}").status_code == 200

"""The month-end desk without a screen: drafts, rules, reviews, corrections, reminders."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from metering.domain.events import UsageEvent
from metering.services import create_meter, record_usage_events
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from tests.factories_billing import CALLS, PLATFORM, billed, deal, make_customer
from tests.integration.api.conftest import Api, fields_of

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


def use(calls: int, id: str) -> None:
    time = datetime(2026, 1, 10, tzinfo=UTC)
    record_usage_events([UsageEvent("t", id, "api", "acme", time, {"n": Decimal(calls)})], now=NOW)


@pytest.fixture
def draft(api: Api, inside: Any) -> Any:
    """The draft of February: 500.00, and 10.00 of usage in January."""
    with inside():
        create_meter(
            key="calls", name="Calls", event_type="api", aggregation="sum",
            value_property="n", now=NOW,
        )  # fmt: skip
        customer = make_customer()
        use(100, "e1")
        billed(deal(PLATFORM, CALLS), now=NOW, customer=customer)
    return api.get("invoices", {"bill_on_from": "2026-02-01", "status": "draft"}).json()["results"][
        0
    ]


def run(job: Any, inside: Any) -> Any:
    with inside():
        token = claim_job(job_id=job["id"], now=timezone.now())
        assert token is not None
        while run_next_batch(job_id=job["id"], token=token, now=timezone.now()):
            pass
        return Job.objects.get(id=job["id"])


def test_a_manual_line_is_written_changed_and_removed(api: Api, draft: Any) -> None:
    path = f"invoices/{draft['id']}"
    line = api.made(f"{path}/lines", {"description": "Setup", "amount": "-20.50"})
    assert (line["amount"], line["is_manual"]) == ("-20.50", True)
    assert api.get(path).json()["total_amount"] == "489.50"
    changed = api.made(
        f"{path}/lines/{line['id']}",
        {"description": "Setup", "quantity": "1.5", "unit_price": "10"},
        method="put",
        status=200,
    )
    assert changed["amount"] == "15.00"
    assert fields_of(api.post(f"{path}/lines", {"description": "x", "service_end": "2026-01-01"})
                     ) == {"service_start"}  # fmt: skip
    answer = api.call("delete", f"{path}/lines/{line['id']}")
    assert answer.status_code == 204
    assert api.get(path).json()["total_amount"] == "510.00"


def test_a_failing_draft_waits_for_its_waiver(api: Api, draft: Any, inside: Any) -> None:
    path = f"invoices/{draft['id']}"
    api.made(f"{path}/lines", {"description": "Refund", "amount": "-1"})
    [failure] = api.get(f"{path}/assertions").json()["results"]
    assert (failure["rule"], failure["detail"]) == ("no_negative_line", "Refund: below zero")
    assert [row["id"] for row in api.get("invoices", {"is_failing": "true"}).json()["results"]] == [
        draft["id"]
    ]
    issue = {"action": "issue", "ids": [draft["id"]], "issued_on": "2026-02-02"}
    job = run(api.made("invoices/bulk", issue, status=202), inside)
    assert (job.done, job.failed) == (0, 1)

    api.made(f"{path}/waive", {"reason": "agreed"}, status=200)

    assert api.get(path).json()["failing_assertions"] == 0
    assert run(api.made("invoices/bulk", issue, status=202), inside).done == 1


def test_rules_are_set_and_their_parameters_named(api: Api, draft: Any) -> None:
    rule = {"is_enabled": True, "parameters": {"limit": "100"}}
    api.made("assertion-rules/total_within_limit", rule, method="put", status=200)
    assert api.get(f"invoices/{draft['id']}").json()["failing_assertions"] == 1
    wrong = api.call(
        "put", "assertion-rules/total_within_limit", {**rule, "parameters": {"limit": "x"}}
    )
    assert wrong.status_code == 409
    assert wrong.json()["detail"].startswith("limit: ")
    assert api.call("put", "assertion-rules/nonsense", rule).status_code == 404
    listed = {row["rule"]: row for row in api.get("assertion-rules").json()["results"]}
    assert listed["total_within_limit"]["parameters"] == {"limit": "100"}


def test_a_review_is_applied_as_it_was_seen_and_not_otherwise(
    api: Api, draft: Any, inside: Any
) -> None:
    with inside():
        use(900, "late")
    preview = {"action": "preview", "ids": [draft["id"]]}
    review = run(api.made("invoices/bulk", preview, status=202), inside)
    assert api.get(f"invoices/{draft['id']}").json()["total_amount"] == "510.00"
    with inside():
        use(50, "later")
    outdated = run(api.made(f"invoice-reviews/{review.id}/apply", status=202), inside)
    assert outdated.failed == 1
    assert api.get(f"invoices/{draft['id']}").json()["total_amount"] == "510.00"

    again = run(api.made("invoices/bulk", preview, status=202), inside)
    applied = run(api.made(f"invoice-reviews/{again.id}/apply", status=202), inside)

    # 1,000 at 0.10 and 50 at 0.08, on top of the fee.
    assert applied.done == 1
    assert api.get(f"invoices/{draft['id']}").json()["total_amount"] == "604.00"
    nothing = run(api.made("invoices/bulk", preview, status=202), inside)
    assert api.post(f"invoice-reviews/{nothing.id}/apply").status_code == 409


def test_an_issued_invoice_is_credited_in_part_written_off_and_claimed_again(
    api: Api, draft: Any
) -> None:
    path = f"invoices/{draft['id']}"
    issued = api.made(
        f"{path}/issue", {"issued_on": "2026-02-02", "ignore_grace": True}, status=200
    )
    line = next(line for line in issued["lines"] if line["item_key"] == "platform")
    part = {"reason": "outage", "issued_on": "2026-02-02"}
    note = api.made(f"{path}/credit", {**part, "lines": [{"line": line["id"], "amount": "100"}]})
    assert note["total_amount"] == "100.00"
    too_much = api.post(
        f"{path}/credit", {**part, "lines": [{"line": line["id"], "amount": "401"}]}
    )
    assert too_much.status_code == 409

    off = api.made(
        f"{path}/write-off", {"reason": "gone", "written_off_on": "2026-02-03"}, status=200
    )
    assert (off["payment_status"], off["written_off_amount"]) == ("uncollectible", "410.00")
    account = api.get(
        f"customers/{issued['customer']}/statement", {"since": "2026-02-01", "until": "2026-02-28"}
    ).json()
    assert [(row["kind"], Decimal(row["amount"])) for row in account["entries"]] == [
        ("invoice", 510),
        ("credit note", -100),
        ("write-off", -410),
    ]
    assert account["closing"] == "0.00"
    back = api.made(f"{path}/reinstate", {"reinstated_on": "2026-02-04"}, status=200)
    assert back["payment_status"] == "partially_paid"


def test_a_one_off_invoice_is_drafted_commented_reissued(api: Api, customer: Any) -> None:
    made = api.made(
        "invoices",
        {
            "customer": customer["id"],
            "bill_on": "2026-02-02",
            "memo": "Thanks",
            "lines": [{"description": "Workshop", "quantity": "3", "unit_price": "99.99"}],
        },
    )
    assert (made["total_amount"], made["schedule"]) == ("299.97", None)
    path = f"invoices/{made['id']}"
    first = api.made(f"{path}/comments", {"text": "check"})
    api.made(f"{path}/comments", {"text": "checked", "corrects": first["id"]})
    assert [row["text"] for row in api.get(f"{path}/comments").json()["results"]] == [
        "checked",
        "check",
    ]
    api.made(f"{path}/issue", {"issued_on": "2026-02-02"}, status=200)
    draft = api.made(f"{path}/reissue", {"reason": "typo"})
    assert (draft["status"], draft["replaces"], draft["memo"]) == ("draft", made["id"], "Thanks")
    assert api.call("delete", f"invoices/{draft['id']}").status_code == 204

"""One action on many invoices, as a job."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from tests.factories_billing import PLATFORM, billed, deal
from tests.integration.api.conftest import Api, fields_of

NOW = datetime(2026, 2, 2, 12, tzinfo=UTC)


class TestBulk:
    @pytest.fixture
    def drafts(self, api: Api, inside: Any) -> list[Any]:
        with inside():
            billed(deal(PLATFORM, start=date(2026, 1, 1)), now=NOW)
        found: list[Any] = api.get("invoices", {"status": "draft"}).json()["results"]
        return found

    def run(self, company: Any, job: Any) -> None:
        from monetization.jobs.tasks import run_job

        run_job(tenant_id=str(company.id), job_id=job["id"])

    def test_a_filter_issues_what_is_draft_as_a_job(
        self, api: Api, company: Any, drafts: list[Any]
    ) -> None:
        body = {
            "action": "issue",
            "filter": {"status": ["draft", "in_progress"], "bill_on_to": "2026-12-31"},
            "issued_on": "2026-02-02",
        }
        job = api.made("invoices/bulk", body, status=202)
        again = api.made("invoices/bulk", body, status=202)
        self.run(company, job)

        done = api.get(f"jobs/{job['id']}").json()
        assert again["id"] == job["id"]
        assert (done["title"], done["status"], done["percent"]) == (
            "Issue 2 invoices",
            "succeeded",
            100,
        )
        for item in done["items"]:
            invoice = api.get(f"invoices/{item['key']}").json()
            assert (invoice["status"], invoice["number"]) == ("issued", item["result"]["number"])
        assert api.get("invoices", {"status": "draft"}).json()["results"] == []
        assert api.get(f"jobs/{job['id']}/items", {"status": "failed"}).json()["results"] == []

    def test_what_failed_says_why_and_can_be_tried_again(
        self, api: Api, company: Any, drafts: list[Any]
    ) -> None:
        api.made(f"invoices/{drafts[0]['id']}/issue", {"issued_on": "2026-02-02"}, status=200)
        job = api.made("invoices/bulk", {"action": "send", "ids": [drafts[0]["id"]]}, status=202)
        self.run(company, job)
        failed = api.get(f"jobs/{job['id']}").json()
        api.made(
            f"customers/{drafts[0]['customer']}/contacts", {"name": "A", "email": "a@example.com"}
        )
        retried = api.made(f"jobs/{job['id']}/retry", status=200)
        self.run(company, job)

        assert failed["status"] == "attention"
        assert failed["items"][0]["error"] == "Acme has no billing contact"
        assert retried["status"] == "queued"
        assert api.get(f"jobs/{job['id']}").json()["status"] == "succeeded"
        assert api.get(f"invoices/{drafts[0]['id']}").json()["sent_at"] is not None
        (mail,) = api.get("mail", {"about": f"invoice/{drafts[0]['id']}"}).json()["results"]
        assert (mail["to"], mail["has_attachment"]) == ("a@example.com", True)
        assert "text" not in mail

    def test_a_job_is_cancelled_once(self, api: Api, drafts: list[Any]) -> None:
        job = api.made("invoices/bulk", {"action": "recalculate", "filter": {}}, status=202)

        cancelled = api.made(f"jobs/{job['id']}/cancel", status=200)
        again = api.post(f"jobs/{job['id']}/cancel")

        assert cancelled["status"] == "cancelled"
        assert (again.status_code, again.json()["code"]) == (409, "job_finished")

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, {"action"}),
            ({"action": "burn", "filter": {}}, {"action"}),
            ({"action": "send"}, {"ids"}),
            ({"action": "send", "ids": [], "filter": {}}, {"ids"}),
            ({"action": "send", "ids": ["x"]}, {"ids[0]"}),
            (
                {"action": "send", "ids": ["0198f0d4-0000-7000-8000-000000000000"]},
                {"ids[0]"},
            ),
            ({"action": "send", "filter": {"month": "May"}}, {"filter.month"}),
            ({"action": "send", "filter": {"colour": "red"}}, {"filter.colour"}),
            ({"action": "send", "filter": {}, "issued_on": "2026-01-01"}, {"issued_on"}),
        ],
    )
    def test_names_the_field_that_is_wrong(self, api: Api, body: Any, fields: set[str]) -> None:
        assert fields_of(api.post("invoices/bulk", body)) == fields

    def test_nothing_chosen_is_refused(self, api: Api) -> None:
        answer = api.post("invoices/bulk", {"action": "send", "filter": {}})

        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_selected")

"""Pages about long work, and stored files."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monetization.documents.services import store_document
from monetization.jobs import services
from monetization.jobs.models import Job, JobItem
from monetization.jobs.services import JobKind, register_job_kind, start_job
from monetization.kernel.errors import Refusal
from monetization.tenancy.context import tenant_context
from tests.factories import make_member


def _run(job: Job, item: JobItem) -> dict[str, Any]:
    if item.key.startswith("bad"):
        raise Refusal("<b>the price is missing</b>")
    return {"before": "1.00", "after": "2.00", "rows": 1200}


@pytest.fixture(autouse=True)
def kind() -> Iterator[None]:
    register_job_kind(JobKind("test.web", _run))
    yield
    services._kinds.pop("test.web")


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    return make_tenant("Northwind Software")


def signed_in(tenant: Any, role: str = "finance") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def job_of(tenant: Any, *keys: str, run: bool = True) -> Job:
    with tenant_context(tenant.id, actor="test"):
        job = start_job(
            kind="test.web", title="Recalculate", items=[(key, f"Item {key}") for key in keys]
        )
        if run:
            token = services.claim_job(job_id=job.id, now=timezone.now())
            assert token is not None
            while services.run_next_batch(job_id=job.id, token=token, now=timezone.now()):
                pass
        job.refresh_from_db()
        return job


class TestJobs:
    def test_shows_each_items_result_or_reason_in_words(self, company: Any) -> None:
        job = job_of(company, "good", "bad")

        page = signed_in(company).get(f"/jobs/{job.id}").content.decode()

        assert "1.00 → 2.00; Rows: 1,200" in page
        assert "&lt;b&gt;the price is missing&lt;/b&gt;" in page
        assert "Retry 1 failed" in page

    def test_filters_the_items_that_failed(self, company: Any) -> None:
        job = job_of(company, "good", "bad")
        answer = signed_in(company).get(f"/jobs/{job.id}?status=failed")
        assert [row.item.key for row in answer.context["rows"]] == ["bad"]

    def test_retries_what_failed(self, company: Any) -> None:
        job = job_of(company, "good", "bad")
        signed_in(company).post(f"/jobs/{job.id}/retry")
        with tenant_context(company.id):
            assert Job.objects.get().status == Job.Status.QUEUED
            assert JobItem.objects.get(key="bad").status == JobItem.Status.PENDING

    def test_says_when_there_is_nothing_to_retry_or_cancel(self, company: Any) -> None:
        job, client = job_of(company, "good"), signed_in(company)
        for action in ("retry", "cancel"):
            page = client.post(f"/jobs/{job.id}/{action}", follow=True).content.decode()
            assert "alert-s bad" in page

    def test_a_running_job_is_not_retried(self, company: Any) -> None:
        job = job_of(company, "bad", run=False)
        page = signed_in(company).post(f"/jobs/{job.id}/retry", follow=True).content.decode()
        assert "still running" in page

    def test_cancels_what_has_not_begun(self, company: Any) -> None:
        job = job_of(company, "good", run=False)
        signed_in(company).post(f"/jobs/{job.id}/cancel")
        with tenant_context(company.id):
            assert Job.objects.get().status == Job.Status.CANCELLED

    def test_progress_asks_again_until_the_end(self, company: Any) -> None:
        waiting, ended = job_of(company, "a", run=False), job_of(company, "b")
        client = signed_in(company)

        running = client.get(f"/jobs/{waiting.id}/progress")
        over = client.get(
            f"/jobs/{ended.id}/progress",
            headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver/jobs/{ended.id}"},
        )
        elsewhere = client.get(f"/jobs/{ended.id}/progress")

        assert "every 1s" in running.content.decode()
        assert "every 1s" not in over.content.decode()
        assert over["HX-Refresh"] == "true"
        assert "HX-Refresh" not in elsewhere

    def test_the_list_costs_the_same_for_many_jobs(self, company: Any) -> None:
        client = signed_in(company)
        job_of(company, "a")
        client.get("/jobs/")
        with CaptureQueriesContext(connection) as few:
            client.get("/jobs/")
        for _ in range(5):
            job_of(company, "a", "b")
        with CaptureQueriesContext(connection) as many:
            client.get("/jobs/")
        assert len(few) == len(many) <= 10

    def test_auditors_look_and_do_not_touch(self, company: Any) -> None:
        job, client = job_of(company, "bad"), signed_in(company, "auditor")
        assert client.get(f"/jobs/{job.id}").status_code == 200
        for action in ("retry", "cancel"):
            assert client.post(f"/jobs/{job.id}/{action}").status_code == 403

    def test_another_companys_job_does_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        job, client = job_of(make_tenant("Contoso"), "a"), signed_in(company)
        assert client.get(f"/jobs/{job.id}").status_code == 404
        assert client.get(f"/jobs/{job.id}/progress").status_code == 404
        assert client.post(f"/jobs/{job.id}/cancel").status_code == 404


class TestDocuments:
    def test_a_pdf_opens_in_the_browser_under_its_name(self, company: Any) -> None:
        with tenant_context(company.id):
            document = store_document(filename="Facture été.pdf", content=b"%PDF-1.7 x")

        answer = signed_in(company, "auditor").get(f"/documents/{document.id}")

        assert answer.content == b"%PDF-1.7 x"
        assert answer["Content-Type"] == "application/pdf"
        assert answer["Content-Disposition"].startswith("inline; filename*=utf-8''Facture")
        assert answer["ETag"] == f'"{document.sha256}"'

    def test_an_unchanged_document_is_not_sent_again(self, company: Any) -> None:
        with tenant_context(company.id):
            document = store_document(filename="a.pdf", content=b"%PDF")
        answer = signed_in(company).get(
            f"/documents/{document.id}", headers={"If-None-Match": f'"{document.sha256}"'}
        )
        assert answer.status_code == 304

    def test_what_is_no_pdf_is_saved_and_never_run(self, company: Any) -> None:
        with tenant_context(company.id):
            document = store_document(
                filename="a.html", content=b"<script>1</script>", content_type="text/html"
            )
        answer = signed_in(company).get(f"/documents/{document.id}")
        assert answer["Content-Disposition"].startswith("attachment")
        assert answer["X-Content-Type-Options"] == "nosniff"

    def test_another_companys_document_does_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        other = make_tenant("Contoso")
        with tenant_context(other.id):
            document = store_document(filename="a.pdf", content=b"%PDF")
        client = signed_in(company)
        tag = {"If-None-Match": f'"{document.sha256}"'}
        assert client.get(f"/documents/{document.id}").status_code == 404
        assert client.get(f"/documents/{document.id}", headers=tag).status_code == 404
        assert client.get(f"/documents/{uuid4()}").status_code == 404
        assert Client().get(f"/documents/{document.id}").status_code == 302

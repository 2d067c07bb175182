"""A file of usage, from the upload to its rejects."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from metering import selectors
from metering.imports.mapping import parse_mapping
from metering.web.import_forms import MappingForm, guess
from monetization.jobs import services as jobs
from monetization.jobs.models import Job
from monetization.tenancy.context import tenant_context
from tests.factories import make_member
from tests.factories_billing import make_customer

CSV = b"""event_id,account,happened_at,kind,calls
e1,acme,2026-10-01T10:00:00Z,api.called,5
e2,ghost,2026-10-01T11:00:00Z,api.called,7
e3,acme,yesterday,api.called,1
e4,acme,2026-10-01T12:00:00Z,api.called,=1+1
"""
COLUMNS = {
    "id": "{event_id}",
    "customer": "account",
    "time": "happened_at",
    "time_format": "written",
    "type_column": "kind",
    "take-4": "on",
    "name-4": "calls",
}


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_customer("Acme")
    return tenant


def signed_in(tenant: Any, role: str = "engineer") -> Client:
    client = Client()
    client.force_login(
        make_member(tenant, role), backend="django.contrib.auth.backends.ModelBackend"
    )
    return client


def uploaded(client: Client, content: bytes = CSV, name: str = "usage.csv") -> str:
    answer = client.post(
        "/usage/import", {"file": SimpleUploadedFile(name, content), "source": "app"}
    )
    assert answer.status_code == 302, answer.context["form"].errors
    return str(answer["Location"])


def run(tenant: Any) -> Job:
    with tenant_context(tenant.id, actor="test"):
        job: Job = Job.objects.get()
        token = jobs.claim_job(job_id=job.id, now=timezone.now())
        assert token is not None
        while jobs.run_next_batch(job_id=job.id, token=token, now=timezone.now()):
            pass
        job.refresh_from_db()
        return job


class TestImport:
    @pytest.mark.parametrize("packed", [False, True])
    def test_from_the_file_to_its_rejects(
        self, company: Any, packed: bool, django_capture_on_commit_callbacks: Any
    ) -> None:
        client = signed_in(company)
        content = gzip.compress(CSV) if packed else CSV
        path = uploaded(client, content, "usage.csv.gz" if packed else "usage.csv")

        judged = client.post(path, {**COLUMNS, "action": "preview"})
        with django_capture_on_commit_callbacks(execute=False) as after:
            started = client.post(path, {**COLUMNS, "action": "start"})
        job = run(company)

        assert [row.outcome for row in judged.context["rows"]] == [
            "created", "created", "invalid", "created",
        ]  # fmt: skip
        assert judged.context["rows"][1].reason == "nobody holds the alias yet"
        assert started["Location"] == f"/jobs/{job.id}"
        assert after
        with tenant_context(company.id):
            assert len(selectors.list_events()) == 3
        result = client.get(f"/usage/imports/{job.id}/result").content.decode()
        assert "4 rows: 3 new, 1 not readable. Nobody holds the alias of 1 of them yet" in result
        rejects = b"".join(client.get(f"/usage/imports/{job.id}/rejects.csv")).decode()
        assert "4,time," in rejects

    def test_judging_stores_nothing(self, company: Any) -> None:
        client = signed_in(company)
        judged = client.get(uploaded(client))
        assert len(judged.context["rows"]) == 4
        with tenant_context(company.id):
            assert selectors.list_events() == []
            assert not Job.objects.exists()

    def test_the_columns_are_guessed_and_judged_at_once(self, company: Any) -> None:
        client = signed_in(company)
        answer = client.get(uploaded(client))
        assert answer.context["form"]["customer"].value() == "account"
        assert answer.context["form"]["time"].value() == "happened_at"
        assert answer.context["form"]["type_column"].value() == "kind"
        assert answer.context["rows"][0].label == "New"

    @pytest.mark.parametrize(
        ("moments", "format"),
        [
            (("2026-10-01T10:00:00Z", "2026-10-01T11:00:00Z", "soon"), "written"),
            (("1790848800", "1790852400", ""), "1"),
            (("1790848800000", "1790852400000", "-"), "1000"),
        ],
    )
    def test_a_time_is_known_by_what_is_in_it(
        self, company: Any, moments: tuple[str, ...], format: str
    ) -> None:
        client = signed_in(company)
        lines = [f"{n},5,acme,call,{moment}" for n, moment in enumerate(moments)]
        file = "\n".join(["id,daytime_calls,account,kind,happened", *lines]).encode()
        answer = client.get(uploaded(client, file))
        assert answer.context["form"]["time"].value() == "happened"
        assert answer.context["form"]["time_format"].value() == format
        assert [row.outcome for row in answer.context["rows"]] == ["created", "created", "invalid"]

    def test_no_column_is_taken_for_the_time_without_a_sign_of_it(self, company: Any) -> None:
        client = signed_in(company)
        answer = client.get(uploaded(client, b"id,account,kind,x\n1,acme,call,5\n"))
        assert answer.status_code == 200
        assert not answer.context["form"]["time"].value()
        assert "Choose a column" in answer.content.decode()

    def test_a_guess_that_is_not_enough_is_no_mistake_of_anybody(self, company: Any) -> None:
        client = signed_in(company)
        answer = client.get(uploaded(client, b"id,account,time\n1,acme,2026-10-01T10:00:00Z\n"))
        assert answer.status_code == 200
        assert not answer.context["form"].errors
        assert answer.context["raw"] == [["1", "acme", "2026-10-01T10:00:00Z"]]

    def test_the_same_file_twice_is_already_known(self, company: Any) -> None:
        client = signed_in(company)
        client.post(uploaded(client), {**COLUMNS, "action": "start"})
        run(company)
        again = client.post(uploaded(client), {**COLUMNS, "action": "preview"})
        assert again.context["counts"].counts["duplicate"] == 3

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": "fixed"}, "id"),
            ({"id": "{nothing}"}, "id"),
            ({"customer": "nothing"}, "customer"),
            ({"type_column": "", "type_constant": ""}, "type_constant"),
            ({"name-4": "a b"}, "name-4"),
            ({"take-0": "on", "name-0": "calls"}, "name-4"),
        ],
    )
    def test_says_what_is_wrong_at_the_field(
        self, company: Any, changes: dict[str, str], field: str
    ) -> None:
        client = signed_in(company)
        answer = client.post(uploaded(client), {**COLUMNS, "action": "start", **changes})
        assert answer.status_code == 422
        assert field in answer.context["form"].errors
        with tenant_context(company.id):
            assert not Job.objects.exists()

    @pytest.mark.parametrize("content", [b"", b"\n", b"\x1f\x8b broken", b"\xff\xfe,\x00"])
    def test_a_file_that_is_no_csv_is_refused_at_the_field(
        self, company: Any, content: bytes, var: Path
    ) -> None:
        answer = signed_in(company).post(
            "/usage/import", {"file": SimpleUploadedFile("x.csv", content), "source": "app"}
        )
        assert answer.status_code == 422
        assert answer.context["form"].errors["file"]
        assert not list(var.rglob("*.upload"))

    def test_names_and_cells_that_are_scripts_are_only_text(self, company: Any) -> None:
        hostile = b"<script>alert(1)</script>"
        client = signed_in(company)
        content = b"id,account,time," + hostile + b"\n" + b",".join([hostile] * 4) + b"\n"
        page = client.get(uploaded(client, content, "<script>alert(1)<.csv")).content.decode()
        assert "<script>alert(1)" not in page

    def test_rejected_formulas_run_nothing_in_a_spreadsheet(self, company: Any) -> None:
        client = signed_in(company)
        content = CSV + b"=cmd(),acme,never,api.called,1\n"
        client.post(uploaded(client, content), {**COLUMNS, "action": "start"})
        job = run(company)
        rejects = b"".join(client.get(f"/usage/imports/{job.id}/rejects.csv")).decode()
        assert "'=cmd()" in rejects

    def test_another_companys_upload_and_import_do_not_exist(
        self, company: Any, make_tenant: Callable[..., Any]
    ) -> None:
        client = signed_in(company)
        path = uploaded(client)
        client.post(path, {**COLUMNS, "action": "start"})
        with tenant_context(company.id):
            job = Job.objects.get()
        stranger = signed_in(make_tenant("Contoso"))
        assert stranger.get(path).status_code == 404
        assert stranger.post(path, {**COLUMNS, "action": "start"}).status_code == 404
        assert stranger.get(f"/usage/imports/{job.id}/result").status_code == 404
        assert stranger.get(f"/usage/imports/{job.id}/rejects.csv").status_code == 404
        assert client.get(f"/usage/import/{uuid4()}").status_code == 404

    @pytest.mark.parametrize("role", ["revops", "auditor"])
    def test_only_those_who_write_usage_import(self, company: Any, role: str) -> None:
        client = signed_in(company, role)
        assert client.get("/usage/import").status_code == 403
        assert client.post("/usage/import").status_code == 403
        assert "Import a file" not in client.get("/usage/").content.decode()


class TestMapping:
    def test_awkward_columns_are_written_so_that_the_mapping_reads_them(self) -> None:
        header = ["id", "the account, old", "ts", "a=b", "it's"]
        form = MappingForm(
            {
                "id": "{id}-{ts}",
                "customer": "the account, old",
                "time": "ts",
                "time_format": "1000",
                "type_constant": "it's",
                "take-3": "on",
                "name-3": "a_b",
            },
            header=header,
        )
        assert form.is_valid(), form.errors
        read = parse_mapping(form.mapping()).bind(header)
        item = read(["1", "acme", "86400000", "5", "x"])
        assert (item["id"], item["customer"], item["type"]) == ("1-86400000", "acme", "it's")
        assert item["data"] == {"a_b": "5"}
        assert str(item["time"]).startswith("1970-01-02T00:00:00")

    def test_guesses_nothing_twice(self) -> None:
        found = guess(["client_id", "event_time", "requests"])
        assert (found["customer"], found["time"], found["id"]) == (
            "client_id", "event_time", "{client_id}-{event_time}",
        )  # fmt: skip
        assert found["take-2"] is True
        assert found["take-0"] is False

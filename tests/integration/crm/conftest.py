"""A company with a catalog, clients of its API, and files to bring."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache

from crm.domain.columns import header_of
from crm.selectors import export_rows
from crm.services import importing
from monetization.jobs.models import Job
from monetization.jobs.services import claim_job, run_next_batch
from monetization.tenancy.context import tenant_context
from tests.integration.api.conftest import Api
from tests.integration.quotes.conftest import make_catalog

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SOURCE = "salesforce"


@pytest.fixture(autouse=True)
def _no_limits_left_over() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def company(make_tenant: Callable[..., Any]) -> Any:
    tenant = make_tenant("Northwind Software")
    with tenant_context(tenant.id, actor="test"):
        make_catalog()
    return tenant


@pytest.fixture
def api(company: Any) -> Api:
    return Api(company)


@pytest.fixture
def inside(company: Any) -> Callable[[], Any]:
    return lambda: tenant_context(company.id, actor="test")


def written(header: Sequence[str], *rows: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def exported(kind: str, source: str = SOURCE) -> bytes:
    """The file as it goes out."""
    return written(header_of(kind), *export_rows(kind, source))


def take_in(kind: str, content: bytes, *, source: str = SOURCE, **mapping: str) -> dict[str, int]:
    """Bring a file whose columns are called like our fields; what became of its rows."""
    kept = importing.keep_file(
        kind=kind, source=source, filename=f"{kind}.csv", content=content, now=NOW
    )
    header, _ = importing.read_file(content)
    job = importing.start_import(
        import_id=kept.id, mapping=mapping or importing.guess(kind, header)
    )
    run(job)
    counts = importing.counts_of(job)
    return {name: count for name, count in counts.items() if name != "rows"}


def run(job: Job) -> None:
    token = claim_job(job_id=job.id, now=NOW)
    assert token is not None
    while run_next_batch(job_id=job.id, token=token, now=NOW):
        pass
    job.refresh_from_db()

"""What putting invoices on paper and in the mail costs, beside bare WeasyPrint on all cores.

The limit lays out the same words in a font of the system's: it has none to unpack or to load.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from billing.benches.company import Company
from billing.benches.timing import timed
from billing.models import Invoice
from billing.services.paper import invoice_context
from monetization.documents.services import document_html
from monetization.tenancy.context import tenant_context

SHEETS = 60
FIRST = 60  # sent before, so that both workers have their processes and fonts, as those that are up


def bare(html: str) -> int:
    """Lay out a page and nothing else."""
    from weasyprint import HTML

    return len(HTML(string=html).write_pdf() or b"")


def bare_rate(company: Company, invoices: Sequence[UUID]) -> float:
    """Return the pages a second of WeasyPrint alone, one process per core, fonts loaded."""
    with tenant_context(company.tenant_id):
        rows = Invoice.objects.filter(id__in=list(invoices)[:SHEETS])
        pages = [document_html("documents/invoice.html", invoice_context(row)) for row in rows]
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("fork")) as pool:
        list(pool.map(bare, pages[: 2 * cores]))
        seconds = timed(lambda: list(pool.map(bare, pages)))
    return len(pages) / seconds


def paper(send_seconds: float, count: int, limit: float, size: str) -> Iterator[dict[str, Any]]:
    """Yield how sending compares: lay out, keep, queue the mail."""
    rate = count / send_seconds
    yield {
        "name": f"month_end: {size}: PDF and send",
        "value": round(rate, 1),
        "unit": "invoices/s",
        "limit": round(limit, 1),
        "ratio": round(rate / limit, 3),
        "n": count,
    }

"""Which invoices have to be computed again: those something has happened to since.

An invoice is a function of its contract's terms, its periods, its customer's tax, what was
measured, and the rules; the tests also look at the invoice before it. A hash of all but the
measured quantities is kept with the invoice, and the readings say what was measured. Where both
still hold, computing again would give the same, so it is not done.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

from billing.models import CalculationMark
from billing.services.assertions import enabled_rules
from billing.services.calculation.loading import Work
from billing.services.earlier import looks_back
from billing.services.measuring import looks_at_events
from billing.services.taxing import Rates
from metering.models import Meter
from metering.selectors.staleness import stale_readings
from monetization.documents.models import DocumentTemplate
from monetization.kernel.ids import uuid7
from monetization.tenancy.bulk import bulk_cursor
from monetization.tenancy.models import LegalEntity

CODE = ("monetization.pricing", "monetization.kernel", "billing.domain")

# Counted by invoice, one look at an index each: sets joined afterwards were read again for every
# invoice of a batch, because the planner expects one row where there are hundreds.
_MARKS = """
SELECT i.id, w.place, md5(concat_ws('|', %b::text, i.status, s.terms_sha256, p.all_of_them, p.begun,
         l.n, l.net, l.tax, i.subtotal_amount, i.tax_amount, i.tax_treatment, i.tax_percent,
         i.tax_method, i.prices_include_tax,
         i.change_note, i.purchase_order, c.tax_percent, c.country,
         b.requires_purchase_order,
         md5(concat_ws('|', c.legal_name, c.name, c.address, c.tax_id)), md5(r::text),
         before.id, before.total_amount, before.calculated_at, claimed.those, own.taxes)) AS mark
  FROM unnest(%b::uuid[]) WITH ORDINALITY AS w(id, place)
  JOIN billing_invoice i ON i.id = w.id
  JOIN customers_customer c ON c.id = i.customer_id
  LEFT JOIN billing_customerbilling b ON b.customer_id = i.customer_id
  LEFT JOIN billing_documentrecipient r ON r.customer_id = i.customer_id
  LEFT JOIN billing_billingschedule s ON s.id = i.schedule_id
  LEFT JOIN LATERAL (
    SELECT md5(string_agg(p.id::text, ',' ORDER BY p.id)) AS all_of_them,
           count(*) FILTER (WHERE p.starts_at <= %b) AS begun
      FROM billing_billingperiod p WHERE p.invoice_id = i.id) p ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS n, sum(l.amount) AS net, sum(l.tax_amount) AS tax
      FROM billing_invoiceline l WHERE l.invoice_id = i.id) l ON true
  LEFT JOIN LATERAL (
    SELECT h.id, h.total_amount, h.calculated_at FROM billing_invoice h
     WHERE h.schedule_id = i.schedule_id AND h.bill_on < i.bill_on AND h.status <> 'void'
       AND h.threshold_number IS NULL ORDER BY h.bill_on DESC LIMIT 1) before ON true
  LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', t.id, t.status, t.number, t.total_amount, t.credited_amount),
                      ',' ORDER BY t.threshold_number) AS those
      FROM billing_invoice t
     WHERE t.schedule_id = i.schedule_id AND t.threshold_number IS NOT NULL) claimed ON true
  LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', t.valid_from, t.treatment, t.percent, t.name),
                      ',' ORDER BY t.valid_from) AS taxes
      FROM billing_customertaxrate t WHERE t.customer_id = i.customer_id) own ON true
"""

_KEEP = f"""
INSERT INTO billing_calculationmark AS k (id, tenant_id, invoice_id, mark)
SELECT (%b::uuid[])[m.place], current_tenant_id(), m.id, m.mark FROM ({_MARKS}) m
    ON CONFLICT (tenant_id, invoice_id) DO UPDATE SET mark = excluded.mark
 WHERE k.mark <> excluded.mark
"""  # noqa: S608
_SAME = f"""
SELECT m.id FROM ({_MARKS}) m
  JOIN billing_calculationmark k ON k.invoice_id = m.id AND k.mark = m.mark
"""  # noqa: S608


def outdated(invoice_ids: Sequence[UUID], *, now: datetime) -> list[UUID]:
    """Return the invoices something has happened to since they were computed, in their order."""
    if not invoice_ids:
        return []
    with bulk_cursor() as cursor:
        cursor.execute(_SAME, [_of_everybody(), list(invoice_ids), now])
        same = [row[0] for row in cursor.fetchall()]
    current = set(same) - _with_newer_usage(same)
    return [invoice_id for invoice_id in invoice_ids if invoice_id not in current]


def _with_newer_usage(invoice_ids: Sequence[UUID]) -> set[UUID]:
    """Return the invoices whose meters measure otherwise now than their lines say."""
    if not invoice_ids:
        return set()
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT l.reading_id, l.invoice_id FROM billing_invoiceline l"
            " WHERE l.invoice_id = ANY(%b) AND l.reading_id IS NOT NULL",
            [list(invoice_ids)],
        )
        found = cursor.fetchall()
    stale = stale_readings([reading for reading, _ in found])
    return {invoice_id for reading, invoice_id in found if reading in stale}


def set_marks(works: Sequence[Work], *, now: datetime) -> None:
    """Keep what invoices were computed from, once they are written and tested.

    What depends on the contract's earlier invoices, on more of the events than readings tell, or
    on credits is left without and computed every time.
    """
    ids = [
        work.invoice.id
        for work in works
        if not (work.is_estimating or work.holds_credits)
        and not looks_back(work.terms)
        and not looks_at_events(work.terms)
    ]
    if not ids:
        return
    with bulk_cursor() as cursor:
        cursor.execute(_KEEP, [[uuid7() for _ in ids], _of_everybody(), ids, now])


def forget_marks(*, customer_id: UUID) -> None:
    """Have the open invoices of a customer computed again, whatever they were computed from."""
    CalculationMark.objects.filter(invoice__customer=customer_id).delete()


def _of_everybody() -> str:
    """Hash what all invoices depend on: the code, the company's rules, its meters."""
    rules = [[rule.kind, dict(rule.parameters)] for rule in enabled_rules()]
    meters = [[key, str(id)] for key, id in Meter.objects.order_by("key").values_list("key", "id")]
    papers = list(
        DocumentTemplate.objects.exclude(electronic_format="none")
        .order_by("legal_entity_id")
        .values()
    )
    entities = list(
        LegalEntity.objects.order_by("id").values_list("id", "name", "country", "tax_id", "email")
    )
    parts = [_code(), rules, meters, Rates.load().known(), papers, entities]
    known = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.md5(known.encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash the code that computes, so that a release that computes otherwise is seen."""
    digest = hashlib.sha256()
    for name in CODE:
        spec = find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(path.read_bytes())
    return digest.hexdigest()

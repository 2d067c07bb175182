"""Which invoices have to be computed again: those something has happened to since.

An invoice is a function of its contract's terms, its periods, its customer's tax, what was
measured, and the rules; the tests also look at the invoice before it. A hash of all but the
measured quantities is kept with the invoice, and the readings say what was measured. Where both
still hold, computing again would give the same, so it is not done. Most need not be hashed again
either: nothing of theirs was touched.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from billing.models import CalculationMark
from billing.services.assertions import enabled_rules
from billing.services.calculation.loading import Work
from billing.services.calculation.unchanged import SUBJECTS, UNSEEN, seen_from, untouched
from billing.services.earlier import looks_back
from billing.services.measuring import looks_at_events
from billing.services.taxing import Rates
from metering.models import Meter
from metering.selectors.staleness import is_summed, stale_readings
from monetization.documents.models import DocumentTemplate
from monetization.kernel.ids import uuid7s
from monetization.tenancy.bulk import bulk_cursor, current_snapshot
from monetization.tenancy.models import LegalEntity

CODE = ("monetization.pricing", "monetization.kernel", "billing.domain")

# Counted by invoice, one look at an index each: sets joined afterwards were read again for every
# invoice of a batch, because the planner expects one row where there are hundreds.
_MARKS = """
SELECT i.id, i.schedule_id, i.customer_id, w.place,
       md5(concat_ws('|', %b::text, i.status, s.terms_sha256, p.all_of_them, p.begun, l.n,
         l.net, l.tax, i.subtotal_amount, i.tax_amount, i.tax_treatment, i.tax_percent,
         i.tax_method, i.prices_include_tax,
         i.change_note, i.purchase_order, c.tax_percent, c.country,
         b.requires_purchase_order,
         md5(concat_ws('|', c.legal_name, c.name, c.address, c.tax_id)), md5(r::text),
         before.id, before.total_amount, before.calculated_at, claimed.those, own.taxes)) AS mark,
       p.next_start
  FROM unnest(%b::uuid[]) WITH ORDINALITY AS w(id, place)
  CROSS JOIN (SELECT %b::timestamptz AS at) now
  JOIN billing_invoice i ON i.id = w.id
  JOIN customers_customer c ON c.id = i.customer_id
  LEFT JOIN billing_customerbilling b ON b.customer_id = i.customer_id
  LEFT JOIN billing_documentrecipient r ON r.customer_id = i.customer_id
  LEFT JOIN billing_billingschedule s ON s.id = i.schedule_id
  LEFT JOIN LATERAL (
    SELECT md5(string_agg(p.id::text, ',' ORDER BY p.id)) AS all_of_them,
           count(*) FILTER (WHERE p.starts_at <= now.at) AS begun,
           min(p.starts_at) FILTER (WHERE p.starts_at > now.at) AS next_start
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

# What else was noted by now was perhaps not seen, or only in part: then nothing is kept.
_KEEP = f"""
INSERT INTO billing_calculationmark AS k (id, tenant_id, invoice_id, mark, company, seen, seen_from,
       kept_by, kept_change, kept_at, next_start, usage_from, usage_until, is_summed)
SELECT u.id, current_tenant_id(), i.id, CASE WHEN u.is_told THEN i.mark ELSE '' END, own.company,
       own.seen, own.seen_from, own.xact, c.last, now(), i.next_start, u.usage_from,
       u.usage_until, u.is_summed
  FROM ({_MARKS}) i
  CROSS JOIN (SELECT %b::text AS company, %b::text AS seen, %b::bigint AS seen_from,
                     pg_current_xact_id()::text::bigint AS xact) own
  JOIN unnest(%b::uuid[], %b::timestamptz[], %b::timestamptz[], %b::bool[], %b::bool[])
       WITH ORDINALITY
    AS u(id, usage_from, usage_until, is_summed, is_told, place) ON u.place = i.place
  CROSS JOIN LATERAL (
    SELECT coalesce(max(c.id) FILTER (WHERE c.xact = own.xact), 0) AS last,
           coalesce(bool_or(c.xact <> own.xact AND {UNSEEN.format(k="own")}), false) AS is_foreign
      FROM billing_inputchange c
     WHERE c.subject_id = ANY ({SUBJECTS}) AND c.xact >= own.seen_from) c
 WHERE NOT c.is_foreign
    ON CONFLICT (tenant_id, invoice_id) DO UPDATE
   SET (mark, company, seen, seen_from, kept_by, kept_change, kept_at, next_start, usage_from,
        usage_until, is_summed)
     = (excluded.mark, excluded.company, excluded.seen, excluded.seen_from, excluded.kept_by,
        excluded.kept_change, excluded.kept_at, excluded.next_start, excluded.usage_from,
        excluded.usage_until, excluded.is_summed)
"""  # noqa: S608
_SAME = f"""
SELECT m.id, m.next_start FROM ({_MARKS}) m
  JOIN billing_calculationmark k ON k.invoice_id = m.id AND k.mark = m.mark
"""  # noqa: S608
# A mark of a release before these does not say what its readings measure: it is computed once.
_MARKED = """
SELECT invoice_id FROM billing_calculationmark
 WHERE invoice_id = ANY(%b) AND mark <> '' AND kept_at IS NOT NULL
"""
# What was asked and found the same is known from then on.
_STILL = f"""
UPDATE billing_calculationmark k
   SET company = %b, seen = %b, seen_from = %b, kept_by = own.xact, kept_at = now(),
       next_start = u.next_start, kept_change = (
         SELECT coalesce(max(c.id), 0) FROM billing_inputchange c
          WHERE c.subject_id = ANY ({SUBJECTS}) AND c.xact = own.xact)
  FROM unnest(%b::uuid[], %b::timestamptz[]) AS u(id, next_start)
  JOIN billing_invoice i ON i.id = u.id
  CROSS JOIN (SELECT pg_current_xact_id()::text::bigint AS xact) own
 WHERE k.invoice_id = u.id AND k.is_summed
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be seen before anything is read: a snapshot, and what all invoices depend on."""

    snapshot: str
    company: str  # a hash: the code, the company's rules, its meters
    quick: str  # with how its meters count, which readings tell where they are looked at

    @classmethod
    def now(cls) -> "Seen":
        snapshot = current_snapshot()
        meters = list(Meter.objects.order_by("key").values_list("key", "id", "version"))
        company = _of_everybody([[key, str(id)] for key, id, _ in meters])
        return cls(snapshot, company, _hashed([company, *meters]))


def surely_current(invoice_ids: Sequence[UUID], *, now: datetime) -> set[UUID]:
    """Return invoices that need not be computed again, by a quick look; there may be others."""
    return untouched(invoice_ids, company=Seen.now().quick, now=now) if invoice_ids else set()


def outdated(invoice_ids: Sequence[UUID], *, now: datetime, seen: Seen | None = None) -> list[UUID]:
    """Return the invoices something has happened to since they were computed, in their order.

    :param seen: by now; with it, what is found current is written down, so that the next look is
        a quick one.
    """
    if not invoice_ids:
        return []
    known = seen or Seen.now()
    current = untouched(invoice_ids, company=known.quick, now=now)
    asked = [each for each in invoice_ids if each not in current]
    if asked:
        same = hashed_the_same(asked, known, now=now)
        if same and seen is not None:
            with bulk_cursor() as cursor:
                cursor.execute(_STILL, [*_kept(seen), list(same), list(same.values())])
        current |= same.keys()
    return [invoice_id for invoice_id in invoice_ids if invoice_id not in current]


def hashed_the_same(
    invoice_ids: Sequence[UUID], known: Seen, *, now: datetime
) -> dict[UUID, datetime | None]:
    """Return the invoices that would compute to the same, and when their next period begins."""
    with bulk_cursor() as cursor:
        cursor.execute(_MARKED, [list(invoice_ids)])
        marked = [row[0] for row in cursor]
        if not marked:  # as of new drafts: nothing is hashed for them
            return {}
        cursor.execute(_SAME, [known.company, marked, now])
        same = dict(cursor.fetchall())
    for invoice_id in _with_newer_usage(list(same)):
        del same[invoice_id]
    return same


def _with_newer_usage(invoice_ids: Sequence[UUID]) -> set[UUID]:
    """Return the invoices whose meters measure otherwise now than their lines say."""
    if not invoice_ids:
        return set()
    with bulk_cursor() as cursor:
        cursor.execute(
            "SELECT l.reading_id, l.invoice_id FROM billing_invoiceline l"
            " WHERE l.invoice_id = ANY(%b) AND l.reading_id IS NOT NULL",
            [invoice_ids],
        )
        found = cursor.fetchall()
    stale = stale_readings([reading for reading, _ in found])
    return {invoice_id for reading, invoice_id in found if reading in stale}


def set_marks(works: Sequence[Work], *, now: datetime, seen: Seen) -> None:
    """Keep what invoices were computed from, once they are written and tested.

    What depends on the contract's earlier invoices, or on more of the events than readings tell,
    gets no hash: touched, it is computed. What has estimates or credits is left without and
    computed every time.

    :param seen: before anything was read.
    """
    kept = [work for work in works if not (work.is_estimating or work.holds_credits)]
    if not kept:
        return
    ids = [work.invoice.id for work in kept]
    meters = Meter.objects.in_bulk({of.meter_id for work in kept for of in work.readings.values()})
    usage = zip(*(_usage_of(work, meters) for work in kept), strict=True)
    told = [not (looks_back(work.terms) or looks_at_events(work.terms)) for work in kept]
    with bulk_cursor() as cursor:
        cursor.execute(
            _KEEP,
            [
                *(seen.company, ids, now, *_kept(seen)),
                *(uuid7s(len(ids)), *map(list, usage), told),
            ],
        )


def _usage_of(
    work: Work, meters: Mapping[UUID, Meter]
) -> tuple[datetime | None, datetime | None, bool]:
    """Return the first and last moment of what readings measure, and if roll-ups have it all."""
    readings = work.readings.values()
    return (
        min((reading.window_start for reading in readings), default=None),
        max((reading.window_end for reading in readings), default=None),
        all(
            is_summed(meters[each.meter_id], each.window_start, each.window_end)
            for each in readings
        ),
    )


def forget_marks(*, customer_id: UUID) -> None:
    """Have the open invoices of a customer computed again, whatever they were computed from."""
    CalculationMark.objects.filter(invoice__customer=customer_id).delete()


def _kept(seen: Seen) -> tuple[str, str, int]:
    return seen.quick, seen.snapshot, seen_from(seen.snapshot)


def _of_everybody(meters: list[list[str]]) -> str:
    """Hash what all invoices depend on: the code, the company's rules, its meters."""
    rules = [[rule.kind, dict(rule.parameters)] for rule in enabled_rules()]
    papers = list(
        DocumentTemplate.objects.exclude(electronic_format="none")
        .order_by("legal_entity_id")
        .values()
    )
    entities = list(
        LegalEntity.objects.order_by("id").values_list("id", "name", "country", "tax_id", "email")
    )
    return _hashed([_code(), rules, meters, Rates.load().known(), papers, entities])


def _hashed(parts: list[Any]) -> str:
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

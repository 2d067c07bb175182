"""Keep the rules drafts must pass, test drafts by them, and let people waive what they found."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from billing import selectors
from billing.domain.assertions import (
    ELECTRONIC,
    KINDS,
    SECOND_PERSON,
    Finding,
    Rule,
    default_rules,
    read_parameters,
    tester,
)
from billing.models import AssertionFailure, AssertionRule, Invoice
from billing.services.electronic import missing_of
from monetization.documents.models import DocumentTemplate
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.ids import uuid7s
from monetization.tenancy.bulk import bulk_cursor
from monetization.tenancy.context import current_actor

CHUNK = 1000


class UnknownRule(Refusal):
    """There is no rule of this kind."""


class WaiverNeedsReason(Refusal):
    """A waiver says why."""


class NothingToWaive(Refusal):
    """The invoice fails no rule that is not waived."""


class AssertionsFailed(Refusal):
    """The draft fails a rule and nobody waived it."""


def ensure_rules() -> list[AssertionRule]:
    """Return the company's rules in their order; the first time, with the defaults."""
    stored = {rule.kind: rule for rule in AssertionRule.objects.all()}
    for rule, is_enabled in default_rules():
        if rule.kind not in stored:
            stored[rule.kind], _ = AssertionRule.objects.get_or_create(
                kind=rule.kind,
                defaults={"is_enabled": is_enabled, "parameters": dict(rule.parameters)},
            )
    return [stored[kind] for kind in KINDS]


def enabled_rules() -> list[Rule]:
    """Return the rules drafts are tested by, in their order."""
    return [Rule(rule.kind, rule.parameters) for rule in ensure_rules() if rule.is_enabled]


@transaction.atomic
def set_rule(
    *, kind: str, is_enabled: bool, parameters: Mapping[str, str], now: datetime
) -> AssertionRule:
    """Switch a rule on or off and set its parameters; every draft is tested again.

    :raises UnknownRule: if there is none of this kind.
    :raises ParameterInvalid: naming the parameter, ``percent: must be ...``.
    """
    if kind not in KINDS:
        raise UnknownRule(f"kind: {kind!r} is no rule; there are {', '.join(KINDS)}")
    read_parameters(kind, parameters)
    ensure_rules()
    rule: AssertionRule = AssertionRule.objects.select_for_update(of=("self",)).get(kind=kind)
    merged = {**rule.parameters, **parameters}
    if (rule.is_enabled, rule.parameters) == (is_enabled, merged):
        return rule
    rule.is_enabled, rule.parameters = is_enabled, merged
    rule.save(update_fields=["is_enabled", "parameters"])
    check_drafts(now=now)
    return rule


def check_drafts(*, now: datetime) -> None:
    """Test every draft again, in chunks."""
    ids = list(
        Invoice.objects.filter(status=Invoice.Status.DRAFT)
        .order_by("id")
        .values_list("id", flat=True)
    )
    for start in range(0, len(ids), CHUNK):
        check_invoices(invoice_ids=ids[start : start + CHUNK], now=now)


@transaction.atomic
def check_invoices(*, invoice_ids: Iterable[UUID], now: datetime) -> None:
    """Test invoices as they are stored now."""
    rows = (
        Invoice.objects.select_for_update(of=("self",))
        .filter(id__in=list(invoice_ids), status__in=["in_progress", "draft"])
        .select_related("customer")
        .order_by("id")
    )
    check(list(rows), now=now)


def check(
    invoices: Sequence[Invoice],
    *,
    now: datetime,
    in_hand: Mapping[UUID, Sequence[selectors.LineView]] | None = None,
) -> None:
    """Test locked open invoices and write only what differs; set-based.

    An invoice in progress is not tested: its period is not over. A waiver stays as long as the
    rule finds the same thing.

    :param in_hand: lines that were just written, by invoice; all others are read.
    """
    if not invoices:
        return
    rules = enabled_rules()
    drafts = [row for row in invoices if row.status == Invoice.Status.DRAFT]
    tested = selectors.to_be_tested(drafts, in_hand or {})
    facts = {row.id: tested[row.id].facts for row in drafts}
    if any(rule.kind == ELECTRONIC for rule in rules):
        for row_id, missing in _electronic_missing(drafts).items():
            facts[row_id] = replace(facts[row_id], electronic_missing=missing)
    test = tester(rules)
    found = {row.id: test(facts[row.id]) for row in drafts}
    stored: dict[UUID, dict[str, AssertionFailure]] = defaultdict(dict)
    for failure in AssertionFailure.objects.filter(invoice__id__any=[row.id for row in invoices]):
        stored[failure.invoice_id][failure.kind] = failure
    _write(invoices, found, stored, now)
    _keep_comparisons({row.id: tested[row.id].unexplained for row in drafts})


def _electronic_missing(drafts: Sequence[Invoice]) -> dict[UUID, list[str]]:
    """Say what drafts lack for their electronic form, where their legal entity sends one."""
    sends = set(
        DocumentTemplate.objects.exclude(
            electronic_format=DocumentTemplate.Electronic.NONE
        ).values_list("legal_entity_id", flat=True)
    )
    return {row.id: missing_of(row) for row in drafts if row.legal_entity_id in sends}


_KEEP_COMPARISONS = """
INSERT INTO billing_invoicecomparison AS k (id, tenant_id, invoice_id, unexplained_amount)
SELECT u.id, current_tenant_id(), u.invoice_id, u.amount
  FROM unnest(%b::uuid[], %b::uuid[], %b::numeric[]) AS u(id, invoice_id, amount)
    ON CONFLICT (tenant_id, invoice_id)
    DO UPDATE SET unexplained_amount = excluded.unexplained_amount
 WHERE k.unexplained_amount <> excluded.unexplained_amount
"""


def _keep_comparisons(unexplained: Mapping[UUID, Decimal]) -> None:
    """Keep how far each draft moved without a known reason."""
    if not unexplained:
        return
    with bulk_cursor() as cursor:
        cursor.execute(
            _KEEP_COMPARISONS,
            [uuid7s(len(unexplained)), list(unexplained), list(unexplained.values())],
        )


def _write(
    invoices: Sequence[Invoice],
    found: Mapping[UUID, Sequence[Finding]],
    stored: Mapping[UUID, Mapping[str, AssertionFailure]],
    now: datetime,
) -> None:
    stale: list[UUID] = []
    fresh: list[AssertionFailure] = []
    counts: dict[int, list[UUID]] = defaultdict(list)
    for row in invoices:
        known = stored.get(row.id, {})
        findings = {each.kind: each.detail for each in found.get(row.id, ())}
        failing = 0
        for kind, failure in known.items():
            if findings.get(kind) != failure.detail:
                stale.append(failure.id)
        for kind, detail in findings.items():
            same = known.get(kind)
            if same is not None and same.detail == detail:
                failing += same.waived_at is None
                continue
            failing += 1
            fresh.append(AssertionFailure(invoice=row, kind=kind, detail=detail, found_at=now))
        if row.failing_assertions != failing:
            row.failing_assertions = failing
            counts[failing].append(row.id)
    if stale:
        AssertionFailure.objects.filter(id__in=stale).delete()
    if fresh:
        AssertionFailure.objects.bulk_create(fresh, batch_size=CHUNK)
    for failing, ids in counts.items():
        Invoice.objects.filter(id__in=ids).update(failing_assertions=failing)


@transaction.atomic
def waive_assertions(
    *, invoice_ids: Iterable[UUID], reason: str, now: datetime, kind: str = ""
) -> int:
    """Let drafts go out although they fail, because a person says why.

    :param kind: only this rule; every failing one by default.
    :returns: how many failures were waived.
    :raises WaiverNeedsReason: without a reason.
    :raises NothingToWaive: if none of the invoices fails.
    """
    reason = reason.strip()[:300]
    if not reason:
        raise WaiverNeedsReason("reason: say why it may go out; it is kept with the invoice")
    rows = list(
        Invoice.objects.select_for_update(of=("self",))
        .filter(id__in=list(invoice_ids), failing_assertions__gt=0, status=Invoice.Status.DRAFT)
        .order_by("id")
    )
    failures = AssertionFailure.objects.filter(invoice__in=rows, waived_at__isnull=True)
    if kind:
        failures = failures.filter(kind=kind)
    by_invoice: dict[UUID, list[str]] = defaultdict(list)
    for invoice_id, failed in failures.values_list("invoice_id", "kind"):
        by_invoice[invoice_id].append(failed)
    if not by_invoice:
        raise NothingToWaive("nothing fails that is not waived already")
    waived = failures.update(waived_at=now, waived_by=current_actor(), waive_reason=reason)
    for row in rows:
        kinds = by_invoice.get(row.id, [])
        if not kinds:
            continue
        row.failing_assertions -= len(kinds)
        row.save(update_fields=["failing_assertions"])
        append_event(
            type="invoice.assertions_waived",
            subject=f"invoice/{row.id}",
            data={"invoice_id": str(row.id), "rules": ", ".join(sorted(kinds)), "reason": reason},
            occurred_at=now,
        )
    return int(waived)


def failing(invoices: Sequence[Invoice]) -> dict[UUID, Refusal]:
    """Return, of the invoices that fail, what was found: a bulk run may not issue them."""
    found: dict[UUID, dict[str, str]] = defaultdict(dict)
    failures = AssertionFailure.objects.filter(
        invoice__in=[row for row in invoices if row.failing_assertions], waived_at__isnull=True
    )
    for invoice_id, kind, detail in failures.values_list("invoice_id", "kind", "detail"):
        found[invoice_id][kind] = detail
    return {invoice_id: AssertionsFailed(_said(details)) for invoice_id, details in found.items()}


def _said(details: Mapping[str, str]) -> str:
    """Say what was found, by rule, and what is to be done; a waiver is no approval."""
    ways = ["fix it, or waive it with a reason"] if set(details) - {SECOND_PERSON} else []
    if SECOND_PERSON in details:
        ways.insert(0, "one person approves it, another issues it")
    return f"{'; '.join(details.values())}: {', and '.join(ways)}"


def refuse_failing(invoice: Invoice) -> None:
    """Refuse what a bulk run may not do to a draft that fails.

    :raises AssertionsFailed: naming what was found.
    """
    for refusal in failing([invoice]).values():
        raise refusal

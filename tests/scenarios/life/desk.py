"""Steps of the desk: what finance does with drafts, invoices, money and months."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from billing.domain.manual_lines import ManualEntry
from billing.models import (
    CreditGrant,
    CreditPlan,
    CreditTopUp,
    DraftChange,
    Invoice,
    InvoiceLine,
    Payment,
)
from billing.services import splitting
from billing.services.approvals import approve_invoices
from billing.services.bad_debt import reinstate_invoice, write_off_invoice
from billing.services.collections import open_amount, record_payment
from billing.services.corrections import (
    credit_invoice,
    credit_lines,
    credit_positions,
    void_invoice,
)
from billing.services.credits.granting import CreditWords, grant_credits, sell_credits, void_grant
from billing.services.credits.recurring import (
    PlanRhythm,
    Selling,
    pause_plan,
    plan_credits,
    resume_plan,
    set_top_up,
    stop_plan,
    stop_top_up,
)
from billing.services.delivery import send_credit_note, send_invoice
from billing.services.drafts import (
    add_manual_line,
    change_manual_line,
    create_one_off,
    discard_one_off,
    remove_manual_line,
)
from billing.services.invoicing import issue_invoice, issue_invoices, recalculate_invoices
from billing.services.late_usage import route_late_usage
from billing.services.refunds import record_refund
from billing.services.reissue import void_and_reissue
from billing.services.supplementary import draft_supplementary
from metering.models import Meter
from monetization.kernel.money import Money
from monetization.kernel.period import Period, add_months
from monetization.tenancy.models import LegalEntity
from revrec.services import close_month, recognize_month
from tests.scenarios.life.company import (
    CUSTOMERS,
    Company,
    chosen,
    customer_named,
    open_invoices,
)


def _amount(number: int, currency: str) -> Decimal:
    return Money.rounded(Decimal(number % 90_001) / 100, currency).amount


def _issued(which: int) -> Invoice | None:
    found: Invoice | None = chosen(Invoice.objects.filter(status="issued"), which)
    return found


# --- drafts


def recalculate(company: Company) -> None:
    """Recalculate every open invoice of the view."""
    ids = list(open_invoices().values_list("id", flat=True))
    recalculate_invoices(invoice_ids=ids, now=company.now)


def write_line(company: Company, which: int, amount: int, how: int) -> None:
    """Write a line by hand on an open invoice; now and then one that takes something off."""
    invoice = chosen(open_invoices(), which)
    if invoice is None:
        return
    sign = -1 if how % 4 == 0 else 1
    service = None
    if how % 3 == 0:
        start = company.today + timedelta(days=how % 40 - 30)
        service = Period(start, start + timedelta(days=1 + how % 70))
    entry = ManualEntry("By hand", amount=sign * _amount(amount, invoice.currency), service=service)
    if how % 5 == 0:
        entry = ManualEntry("By hand", quantity=Decimal(amount % 9), unit_price=Decimal("3.3333"))
    add_manual_line(invoice_id=invoice.id, entry=entry, now=company.now)


def edit_line(company: Company, which: int, amount: int) -> None:
    """Change a line written by hand, or take it off."""
    line = chosen(InvoiceLine.objects.filter(is_manual=True), which)
    if line is None:
        return
    if amount % 3 == 0:
        remove_manual_line(invoice_id=line.invoice_id, line_id=line.id, now=company.now)
    else:
        entry = ManualEntry("Changed", amount=_amount(amount, line.invoice.currency))
        change_manual_line(
            invoice_id=line.invoice_id, line_id=line.id, entry=entry, now=company.now
        )


def split(company: Company, which: int, lines: int, how: int) -> None:
    invoice = chosen(open_invoices(), which)
    if invoice is None:
        return
    ids = list(invoice.lines.exclude(kind="credit").order_by("position").values_list("id"))
    picked = [key for place, (key,) in enumerate(ids) if lines >> place & 1]
    other = LegalEntity.objects.get(is_default=False).id if how % 4 == 0 else None
    splitting.split_draft(
        invoice_id=invoice.id, line_ids=picked, legal_entity_id=other, now=company.now
    )


def merge(company: Company, into: int, which: int) -> None:
    target = chosen(open_invoices(), into)
    if target is None:
        return
    others = splitting.mergeable_with(target)
    if others:
        one = others[which % len(others)]
        splitting.merge_drafts(into_id=target.id, invoice_ids=[one.id], now=company.now)


def undo(company: Company, which: int) -> None:
    """Take a split or a merge back."""
    change = chosen(DraftChange.objects.all(), which)
    if change is not None:
        splitting.undo_change(change_id=change.id, now=company.now)


def approve(company: Company, which: int) -> None:
    invoice = chosen(open_invoices(), which)
    if invoice is not None:
        approve_invoices(invoice_ids=[invoice.id], now=company.now)


def issue(company: Company, which: int, when: int) -> None:
    """Issue one draft, today or on its billing date."""
    invoice = chosen(Invoice.objects.filter(status="draft"), which)
    if invoice is not None:
        day = invoice.bill_on if when % 2 else company.today
        issue_invoice(
            invoice_id=invoice.id, issued_on=day, now=company.now, ignore_grace=when % 3 > 0
        )


def issue_all(company: Company) -> None:
    """Issue whatever can be issued today."""
    ids = list(Invoice.objects.filter(status="draft").order_by("id").values_list("id", flat=True))
    made = issue_invoices(
        invoice_ids=ids, issued_on=company.today, now=company.now, ignore_grace=True
    )
    for outcome in made.values():
        if not isinstance(outcome, Invoice):
            company.refused[f"issue_all: {type(outcome).__name__}"] += 1


def send(company: Company, which: int) -> None:
    invoice = _issued(which)
    if invoice is None:
        return
    send_invoice(invoice_id=invoice.id, now=company.now)
    for note in invoice.credit_notes.all():
        send_credit_note(note_id=note.id, now=company.now)


def one_off(company: Company, who: int, amount: int, how: int) -> None:
    """Draft an invoice without a contract, or throw one away."""
    if how % 5 == 0:
        draft = chosen(open_invoices().filter(schedule=None), amount)
        if draft is not None:
            discard_one_off(invoice_id=draft.id)
        return
    name, currency, _ = CUSTOMERS[who % len(CUSTOMERS)]
    entries = [ManualEntry("Training", amount=_amount(amount, currency))]
    if how % 2:
        entries.append(ManualEntry("Travel", amount=_amount(amount // 3, currency)))
    create_one_off(
        customer_id=customer_named(name).id,
        bill_on=company.today - timedelta(days=how % 20),
        entries=entries,
        now=company.now,
    )


# --- issued invoices


def supplement(company: Company, which: int, amount: int) -> None:
    invoice = _issued(which)
    if invoice is not None:
        entry = ManualEntry("More", amount=_amount(amount, invoice.currency))
        draft_supplementary(
            invoice_id=invoice.id, entries=[entry], bill_on=company.today, now=company.now
        )


def credit(company: Company, which: int, part: int) -> None:
    """Credit an invoice whole, or a part of some of its lines."""
    invoice = _issued(which)
    if invoice is None:
        return
    words: dict[str, Any] = {
        "invoice_id": invoice.id,
        "reason": "agreed",
        "issued_on": company.today,
        "now": company.now,
    }
    if part % 3 == 0:
        credit_invoice(**words)
        return
    amounts = {
        each.line.id: Money.rounded(
            each.net_left.amount * (part % 100) / 100, invoice.currency
        ).amount
        for place, each in enumerate(credit_positions(invoice))
        if part >> place & 1
    }
    credit_lines(amounts=amounts, **words)


def void(company: Company, which: int, how: int) -> None:
    """Withdraw an invoice; draft it again at once, or leave that to the clock."""
    invoice = _issued(which)
    if invoice is not None:
        act = void_invoice if how % 2 else void_and_reissue
        act(invoice_id=invoice.id, reason="wrong", now=company.now)


def pay(company: Company, which: int, how: int) -> None:
    """Pay a part of an invoice, all of it, or more; the oldest first, or only this one."""
    invoice = _issued(which)
    if invoice is None:
        return
    share = (100, 100, 40, 130)[how % 4]
    amount = Money.rounded(open_amount(invoice) * share / 100, invoice.currency).amount
    record_payment(
        customer_id=invoice.customer_id,
        currency=invoice.currency,
        amount=amount,
        received_on=company.today - timedelta(days=how % 5),
        reference=f"P{company.next_number()}",
        only_invoice=invoice.id if how % 3 else None,
        now=company.now,
    )


def refund(company: Company, which: int, part: int) -> None:
    payment = chosen(Payment.objects.all(), which)
    if payment is not None:
        share = (100, 50, 25)[part % 3]
        record_refund(
            payment_id=payment.id,
            amount=Money.rounded(payment.amount * share / 100, payment.currency).amount,
            refunded_on=company.today,
            reference=f"R{company.next_number()}",
            now=company.now,
        )


def write_off(company: Company, which: int, how: int) -> None:
    """Give up a claim, or claim it again."""
    if how % 2:
        lost = chosen(Invoice.objects.filter(written_off_amount__gt=0), which)
        if lost is not None:
            reinstate_invoice(invoice_id=lost.id, reinstated_on=company.today, now=company.now)
        return
    invoice = _issued(which)
    if invoice is not None:
        write_off_invoice(
            invoice_id=invoice.id, reason="gone", written_off_on=company.today, now=company.now
        )


def route_late(company: Company, which: int, how: int) -> None:
    """Say where late usage goes: onto the next invoice, into a credit, or nowhere."""
    lines = InvoiceLine.objects.filter(reading__isnull=False, invoice__status="issued")
    line = chosen(lines, which)
    if line is not None:
        action = ("next_invoice", "credit_note", "ignore")[how % 3]
        route_late_usage(
            invoice_id=line.invoice_id, action=action, reason="late feed", now=company.now
        )


# --- prepaid credits


def give(company: Company, who: int, amount: int, how: int) -> None:
    """Give or sell credits, once or again and again, or fill them up by themselves."""
    name, currency, _ = CUSTOMERS[who % len(CUSTOMERS)]
    kind = "meter" if how % 7 == 0 else "money"
    words = CreditWords(
        customer_id=customer_named(name).id,
        name=f"Credits {company.next_number()}",
        amount=_amount(amount, currency),
        kind=kind,
        meter_id=Meter.objects.get(key="calls").id if kind == "meter" else None,
        taxed_at="grant" if how % 3 == 0 else "use",
        allows_overdraft=how % 11 == 0,
        priority=how % 4 * 10,
    )
    act = how % 6
    if act in (0, 1):
        grant_credits(
            words=words,
            now=company.now,
            effective_at=company.now - timedelta(days=how % 50),
            expires_at=company.now + timedelta(days=20 + how % 60) if how % 2 else None,
        )
    elif act in (2, 3):
        sell_credits(
            words=words,
            price=_amount(amount // 2, currency),
            now=company.now,
            expires_after_days=40 if how % 2 else None,
        )
    elif act == 4:
        rhythm = PlanRhythm(
            every=("monthly", "weekly", "quarterly")[how % 3],
            starts_on=company.today - timedelta(days=how % 45),
            resets=how % 2 == 0,
            roll_over_fraction=Decimal("0.5") if how % 5 == 0 else Decimal(0),
        )
        plan_credits(words=words, rhythm=rhythm, now=company.now)
    else:
        selling = Selling(
            threshold=Decimal(50),
            unit_cost=Decimal("0.5"),
            issues_at_once=how % 2 == 0,
        )
        set_top_up(words=words, selling=selling, now=company.now)


def change_credits(company: Company, which: int, how: int) -> None:
    """Withdraw a grant; pause, resume or end what grants again and again."""
    if how % 3 == 0:
        grant = chosen(CreditGrant.objects.all(), which)
        if grant is not None:
            void_grant(grant_id=grant.id, reason="agreed", now=company.now)
    elif how % 3 == 1:
        plan = chosen(CreditPlan.objects.all(), which)
        if plan is not None:
            (pause_plan, resume_plan, stop_plan)[how % 9 // 3](plan_id=plan.id, now=company.now)
    else:
        rule = chosen(CreditTopUp.objects.filter(stopped_at=None), which)
        if rule is not None:
            stop_top_up(rule_id=rule.id, now=company.now)


# --- months


def recognize(company: Company, back: int) -> None:
    recognize_month(month=_month(company.today, 1 + back % 2), now=company.now)


def close(company: Company, back: int) -> None:
    close_month(month=_month(company.today, 1 + back % 3), now=company.now)


def _month(day: date, back: int) -> date:
    return add_months(day.replace(day=1), -back, anchor_day=1)

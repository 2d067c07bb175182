"""What stands between finance and a closed month, counted."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Q

from billing.models import BillingSchedule, CreditRequest, Invoice
from integrations.models import OnlinePayment, Push
from integrations.stripe.disputes import TO_ANSWER
from metering.selectors import unmatched_aliases
from metering.selectors.queues import Held, count_held
from monetization.jobs.models import Job
from monetization.kernel.period import add_months
from monetization.ledger.models import AccountingPeriod, JournalEntry
from monetization.mail.models import OutgoingMail


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the month-end: done, or what is left and the view that fixes it."""

    title: str
    detail: str
    url_name: str
    query: str = ""
    left: int = 0
    last: str = ""  # who did it last, and when

    @property
    def is_done(self) -> bool:
        return not self.left


def month_to_close(today: date) -> date:
    """Return the first month with entries that is open, but never one that is not over."""
    last = add_months(today.replace(day=1), -1, anchor_day=1)
    closed = set(
        AccountingPeriod.objects.filter(status=AccountingPeriod.Status.CLOSED).values_list(
            "month", flat=True
        )
    )
    months = JournalEntry.objects.filter(entry_date__lt=today.replace(day=1)).dates(
        "entry_date", "month"
    )
    return next((month for month in months if month not in closed), last)


def steps(today: date, zone: str) -> list[Step]:
    """Return the month-end checklist, in the order finance works.

    :param zone: in which people read when something was done.
    """
    return [
        *_usage_steps(),
        *_invoice_steps(today, zone),
        _failed_step(),
        _close_step(today, zone),
    ]


def _usage_steps() -> list[Step]:
    aliases, held = len(unmatched_aliases()), count_held(Held())
    return [
        Step(
            "Attribute usage",
            f"{_of(aliases, 'name')} in usage events without a customer"
            if aliases
            else "Every usage event belongs to a customer",
            "metering:unmatched",
            left=aliases,
        ),
        Step(
            "Look at held usage",
            f"{_of(held, 'event')} to release or drop" if held else "No usage event is held back",
            "metering:quarantine",
            left=held,
        ),
    ]


def _invoice_steps(today: date, zone: str) -> list[Step]:
    following = add_months(today.replace(day=1), 1, anchor_day=1)
    drafts = Invoice.objects.filter(status=Invoice.Status.DRAFT)
    failing = drafts.filter(failing_assertions__gt=0).count()
    due = drafts.filter(bill_on__lt=following, total_amount__gt=0).count()
    credits = CreditRequest.objects.filter(status=CreditRequest.Status.WAITING).count()
    unsent = Invoice.objects.filter(status=Invoice.Status.ISSUED, sent_at__isnull=True).count()
    return [
        Step(
            "Fix or waive failed assertions",
            f"{_of(failing, 'draft')} left behind by a failed test"
            if failing
            else "Every draft passes its tests",
            "billing:invoice-list",
            "assertions=failed&sort=-failing",
            failing,
        ),
        Step(
            "Review and issue drafts",
            f"{_of(due, 'draft')} to be issued" if due else "No draft waits",
            "billing:invoice-list",
            "status=draft&sort=-unexplained",
            due,
            _last_job("invoices.issue", "Issued", zone),
        ),
        Step(
            "Answer credits and voids asked for",
            f"{_of(credits, 'wish')} waiting for a second person"
            if credits
            else "No credit or void waits for a second person",
            "billing:credit-note-list",
            left=credits,
        ),
        Step(
            "Send invoices",
            f"{_of(unsent, 'issued invoice')} not sent yet" if unsent else "Every invoice is sent",
            "billing:invoice-list",
            "delivery=unsent",
            unsent,
            _last_job("invoices.send", "Sent", zone),
        ),
    ]


def _failed_step() -> Step:
    jobs = Job.objects.filter(status=Job.Status.ATTENTION).count()
    mails = OutgoingMail.objects.filter(~Q(status__in=["queued", "sending", "sent"])).count()
    pushes = Push.objects.filter(status__in=["failed", "refused"]).count()
    disputes = OnlinePayment.objects.filter(dispute_status__in=TO_ANSWER).count()
    kinds = (("job", jobs, "jobs:list"), ("mail", mails, "outbox"),
             ("unsynced record", pushes, "integrations:log"),
             ("disputed payment", disputes, "integrations:online-payments"))  # fmt: skip
    failed = [(name, count, view) for name, count, view in kinds if count]
    said = ", ".join(_of(count, name) for name, count, _ in failed)
    return Step(
        "Clear what failed",
        f"To look at: {said}" if failed else "Nothing failed",
        failed[0][2] if failed else "jobs:list",
        left=jobs + mails + pushes + disputes,
    )


def _close_step(today: date, zone: str) -> Step:
    month = month_to_close(today)
    closed = AccountingPeriod.objects.filter(status=AccountingPeriod.Status.CLOSED)
    is_closed = closed.filter(month=month).exists()
    if not BillingSchedule.objects.exists() and not JournalEntry.objects.exists():
        return Step(
            f"Recognize and close {month:%B %Y}",
            "No books yet: they begin with the first activated contract",
            "revrec:months",
        )
    before = closed.exclude(closed_at=None).order_by("-month").first()
    return Step(
        f"Recognize and close {month:%B %Y}",
        "Closed" if is_closed else "Revenue is recognized, checked and locked in one step",
        "revrec:months",
        left=0 if is_closed else 1,
        last=_by(f"{before.month:%B %Y} closed", before.closed_by, before.closed_at, zone)
        if before
        else "",
    )


def _last_job(kind: str, done: str, zone: str) -> str:
    job = Job.objects.filter(kind=kind, finished_at__isnull=False).order_by("-finished_at").first()
    return _by(f"{done} {job.done:,}", job.requested_by, job.finished_at, zone) if job else ""


def _by(what: str, actor: str, at: datetime | None, zone: str) -> str:
    when = f", {at.astimezone(ZoneInfo(zone)):%-d %b %Y %H:%M}" if at else ""
    return f"{what} by {actor or 'the system'}{when}"


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

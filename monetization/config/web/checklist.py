"""What stands between finance and a closed month, counted."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from billing.models import Invoice
from integrations.models import Push
from metering.selectors import unmatched_aliases
from monetization.jobs.models import Job
from monetization.kernel.period import add_months
from monetization.ledger.models import AccountingPeriod, JournalEntry
from monetization.mail.models import OutgoingMail


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the month-end: done, or what is left and where."""

    title: str
    detail: str
    url_name: str
    query: str = ""
    left: int = 0

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


def steps(today: date) -> list[Step]:
    """Return the month-end checklist, in the order finance works."""
    month = month_to_close(today)
    aliases = unmatched_aliases()
    this_month = today.replace(day=1)
    drafts = Invoice.objects.filter(status=Invoice.Status.DRAFT, total_amount__gt=0)
    due = drafts.filter(bill_on__lt=add_months(this_month, 1, anchor_day=1)).count()
    unsent = Invoice.objects.filter(status=Invoice.Status.ISSUED, sent_at__isnull=True).count()
    failed = (
        Job.objects.filter(status=Job.Status.ATTENTION).count()
        + OutgoingMail.objects.filter(~Q(status__in=["queued", "sending", "sent"])).count()
        + Push.objects.filter(status__in=["failed", "refused"]).count()
    )
    is_closed = AccountingPeriod.objects.filter(
        month=month, status=AccountingPeriod.Status.CLOSED
    ).exists()
    return [
        Step(
            "Attribute usage",
            f"{len(aliases)} names in usage events belong to nobody yet"
            if aliases
            else "Every usage event belongs to a customer",
            "metering:unmatched",
            left=len(aliases),
        ),
        Step(
            "Review and issue drafts",
            f"{due} drafts wait to be issued" if due else "No draft waits",
            "billing:invoice-list",
            "month=current&status=draft",
            due,
        ),
        Step(
            "Send invoices",
            f"{unsent} issued invoices are not sent" if unsent else "Every invoice is sent",
            "billing:invoice-list",
            "delivery=unsent",
            unsent,
        ),
        Step(
            "Clear what failed",
            f"{failed} jobs, mails or pushes need attention" if failed else "Nothing failed",
            "jobs:list",
            left=failed,
        ),
        Step(
            f"Recognize and close {month:%B %Y}",
            "Closed" if is_closed else "Revenue is recognized, checked and locked in one step",
            "revrec:months",
            left=0 if is_closed else 1,
        ),
    ]

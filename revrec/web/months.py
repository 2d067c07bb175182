"""Closing months: what stands in the way, and the three things a person may do."""

from dataclasses import dataclass
from datetime import date

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.interface.templatetags.money import money
from monetization.kernel.errors import Refusal
from monetization.ledger.services import reopen_period
from revrec import selectors, services
from revrec.web.forms import ReopenForm
from revrec.web.views import today


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of closing a month, in words, with its figures."""

    label: str
    holds: bool
    says: str
    blocks: bool = True  # closing is refused until it holds
    link: str = ""
    link_label: str = ""


@require_safe
@member_required("revenue:read")
def month_list(request: HttpRequest) -> HttpResponse:
    """Every month of the books, open or closed."""
    rows = selectors.months_of_books(today=today())
    return render(request, "revrec/months.html", {"tab": "months", "rows": rows})


@require_safe
@member_required("revenue:read")
def month_detail(request: HttpRequest, month: date) -> HttpResponse:
    """One month: its checks and what can be done about it."""
    return _page(request, month, ReopenForm())


def _page(request: HttpRequest, month: date, form: ReopenForm, status: int = 200) -> HttpResponse:
    rows = {row.month: row for row in selectors.months_of_books(today=today())}
    if month not in rows:
        raise Http404
    row = rows[month]
    checks = [] if row.is_closed else checks_of(month, is_over=row.is_over)
    context = {
        "tab": "months",
        "row": row,
        "checks": checks,
        "form": form,
        "can_close": row.is_over and all(check.holds for check in checks if check.blocks),
    }
    return render(request, "revrec/month.html", context, status=status)


def checks_of(month: date, *, is_over: bool) -> list[Check]:
    """Ask everything that closing a month asks, and say it in figures."""
    checks = [
        Check(
            "The month is over",
            is_over,
            "All its days have passed."
            if is_over
            else f"It ends on {selectors.month_end(month):%-d %B %Y}.",
        )
    ]
    earlier = selectors.earlier_open_month(month)
    checks.append(
        Check(
            "Earlier months are closed",
            earlier is None,
            "No earlier month with entries is open."
            if earlier is None
            else f"Close {earlier:%B %Y} first.",
            link=reverse("revrec:month", args=[earlier]) if earlier else "",
            link_label="To its checks",
        )
    )
    drafts = selectors.drafts_of_month(month)
    amounts = ", ".join(money(one.total, one.currency) for one in drafts)
    waiting = sum(one.count for one in drafts)
    checks.append(
        Check(
            "Every invoice of the month is issued",
            not drafts,
            "No draft waits."
            if not drafts
            else f"{waiting} draft{'s' if waiting > 1 else ''} over {amounts} not issued yet.",
            link=f"{reverse('billing:invoice-list')}?month={month:%Y-%m}&status=draft",
            link_label="Show them",
        )
    )
    checks.append(_recognized(month, is_over=is_over))
    off = selectors.out_of_balance()
    checks.append(
        Check(
            "The trial balance is zero",
            not off,
            "Debits equal credits in every currency."
            if not off
            else f"Off by {', '.join(money(amount) for amount in off)}.",
            link=reverse("revrec:trial-balance"),
            link_label="Trial balance",
        )
    )
    checks.append(_documents_agree())
    return checks


def _documents_agree() -> Check:
    ties = [one for one in selectors.tie_out() if not one.holds]
    return Check(
        "Documents and ledger agree",
        not ties,
        "Billed = recognized + deferred − unbilled in every currency."
        if not ties
        else "; ".join(
            f"{one.currency} differs by {money(one.difference, one.currency)}" for one in ties
        ),
        blocks=False,
        link=reverse("revrec:deferred"),
        link_label="Where they differ",
    )


def _recognized(month: date, *, is_over: bool) -> Check:
    label = "Revenue is recognized"
    if not is_over:
        return Check(label, holds=True, says="Due after its last day.", blocks=False)
    says = []
    unplanned = selectors.unplanned_contracts(month)
    if unplanned:
        says.append(
            f"{unplanned} contract{' is' if unplanned == 1 else 's are'} not planned yet; "
            "recognizing plans them."
        )
    gaps = selectors.unrecognized(month)
    if gaps:
        amounts = ", ".join(money(gap) for gap in gaps)
        says.append(f"{amounts} earned and not posted; closing posts it.")
    nothing = "Nothing earned is missing from the ledger."
    return Check(label, not says, " ".join(says) or nothing, blocks=False)


@require_POST
@member_required("revenue:read", write="revenue:write")
def recognize(request: HttpRequest, month: date) -> HttpResponse:
    """Post what was earned by the month's end."""
    try:
        entries = services.recognize_month(month=month, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, _to(month))
    if not entries:
        return done(request, f"Revenue of {month:%B %Y} was complete; nothing posted.", _to(month))
    contracts = "contract" if entries == 1 else "contracts"
    return done(
        request, f"Revenue of {month:%B %Y} recognized for {entries} {contracts}.", _to(month)
    )


@require_POST
@member_required("revenue:read", write="revenue:write")
def close(request: HttpRequest, month: date) -> HttpResponse:
    """Recognize the month and close its books."""
    try:
        services.close_month(month=month, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, _to(month))
    return done(request, f"{month:%B %Y} is closed.", _to(month))


@require_POST
@member_required("revenue:read", write="revenue:write")
def reopen(request: HttpRequest, month: date) -> HttpResponse:
    """Reopen a closed month; the reason is kept on the stream."""
    form = ReopenForm(request.POST)
    if not form.is_valid():
        return _page(request, month, form, status=422)
    try:
        reopen_period(month=month, reason=form.cleaned_data["reason"], now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, _to(month))
    return done(request, f"{month:%B %Y} is open again.", _to(month))


def _to(month: date) -> str:
    return reverse("revrec:month", args=[month])

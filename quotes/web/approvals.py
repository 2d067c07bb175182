"""Ask for approval, and the inbox of who is asked."""

from datetime import date
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from monetization.interface.access import member_required
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.kernel.period import local_day
from monetization.pricing.prices import PriceError
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest
from quotes import selectors
from quotes.models import ApprovalDeputy, ApprovalStep
from quotes.services import approval_rules, approvals
from quotes.services.approvals import Decider
from quotes.web.forms import DayField
from quotes.web.found import latest_or_404


class DeputyForm(PageForm):
    """Who answers for me while I am away."""

    deputy_email = forms.ChoiceField(label="Who answers for you")
    first_day = DayField(label="From")
    last_day = DayField(label="To")

    def __init__(self, *args: Any, me: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["deputy_email"]
        field.choices = [(each, each) for each in approval_rules.approvers() if each != me]


def decider_of(request: TenantRequest) -> Decider:
    principal: Any = request.principal
    return Decider(principal.label, principal.role, is_machine=principal.api_key_id is not None)


def today_of(request: TenantRequest) -> date:
    principal: Any = request.principal
    return local_day(timezone.now(), Tenant.objects.get(id=principal.tenant_id).time_zone)


@member_required("approvals:read")
def inbox(request: TenantRequest) -> HttpResponse:
    """Show what waits for this person, what waits for others, and what was decided."""
    return _inbox(request, None)


def _inbox(request: TenantRequest, deputy: DeputyForm | None) -> HttpResponse:
    me, today = decider_of(request), today_of(request)
    may_answer = request.principal.may("approvals:write")
    mine = approvals.open_steps_for(me, today) if may_answer else []
    ours = {step.id for step in mine}
    rows = ApprovalStep.objects.select_related("version__quote__customer")
    others = [
        step
        for step in rows.filter(status__in=["open", "waiting"]).order_by("requested_at")
        if step.id not in ours
    ]
    context = {
        "mine": [_shown(step) for step in mine],
        "others": others,
        "decided": rows.filter(decided_at__isnull=False).order_by("-decided_at")[:20],
        "colleagues": [email for email in approval_rules.approvers() if email != me.label],
        "deputies": ApprovalDeputy.objects.filter(last_day__gte=today).order_by("first_day"),
        "deputy": deputy or DeputyForm(me=me.label, initial={"first_day": today}),
        "me": me.label,
        "may_answer": may_answer,
    }
    status = 422 if deputy is not None and deputy.errors else 200
    return render(request, "quotes/approvals.html", context, status=status)


def _shown(step: ApprovalStep) -> dict[str, Any]:
    """Return a step with the numbers of its quote."""
    found: dict[str, Any] = {"step": step, "version": step.version, "quote": step.version.quote}
    try:
        terms = selectors.terms_of(step.version)
        found["totals"] = selectors.totals_of(terms)
    except PriceError as error:
        found["incomplete"] = str(error)
    return found


@require_POST
@member_required("approvals:write")
def decide(request: TenantRequest, step_id: UUID) -> HttpResponse:
    """Approve or refuse one step, or hand it to a colleague."""
    step = get_object_or_404(ApprovalStep, id=step_id)
    here, now = reverse("quotes:approvals"), timezone.now()
    action, comment = request.POST.get("do", ""), request.POST.get("comment", "")
    try:
        if action == "hand-over":
            to = request.POST.get("to", "")
            approvals.hand_over(step_id=step.id, decider=decider_of(request), to_email=to, now=now)
            return done(request, f"{to} is asked instead.", here)
        if action not in ("approve", "refuse"):
            return refused(request, Refusal("There is no such button."), here)
        approvals.decide(
            step_id=step.id,
            decider=decider_of(request),
            is_approved=action == "approve",
            comment=comment,
            now=now,
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(
        request, "Approved." if action == "approve" else "Refused; they are told why.", here
    )


@require_POST
@member_required("quotes:write")
def ask(request: TenantRequest, quote_id: UUID) -> HttpResponse:
    """Ask for every approval the draft lacks."""
    version = latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    try:
        steps = approvals.request_approval(
            version_id=version.id, comment=request.POST.get("comment", ""), now=timezone.now()
        )
    except (Refusal, PriceError) as error:
        return refused(request, Refusal(str(error)), here)
    asked = len([step for step in steps if step.status == ApprovalStep.Status.OPEN])
    return done(request, f"Asked for {asked} of {len(steps)} approvals; the rest follow.", here)


@require_POST
@member_required("quotes:write")
def reopen(request: TenantRequest, quote_id: UUID) -> HttpResponse:
    """Go back to the draft; what was agreed stays agreed while it does not change."""
    version = latest_or_404(quote_id)
    here = reverse("quotes:detail", args=[quote_id])
    try:
        approvals.reopen_draft(version_id=version.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, "It is a draft again.", here)


@require_POST
@member_required("approvals:write")
def add_deputy(request: TenantRequest) -> HttpResponse:
    """Let a colleague answer while one is away."""
    me = decider_of(request).label
    form = DeputyForm(request.POST, me=me)
    if form.is_valid():
        try:
            approval_rules.add_deputy(absent_email=me, **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, "Noted.", reverse("quotes:approvals"))
    return _inbox(request, form)


@require_POST
@member_required("approvals:write")
def end_deputy(request: TenantRequest, deputy_id: UUID) -> HttpResponse:
    """Take back what one arranged."""
    get_object_or_404(ApprovalDeputy, id=deputy_id)
    approval_rules.end_deputy(deputy_id=deputy_id, absent_email=decider_of(request).label)
    return done(request, "You answer yourself again.", reverse("quotes:approvals"))

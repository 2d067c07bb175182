"""Credits by themselves on screen: plans and top-ups made, changed, paused, ended."""

from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing.models import CreditPlan, CreditTopUp
from billing.services.credits import recurring
from billing.services.credits.clock import grant_by_plan
from billing.web.credit_forms import PlanForm, TopUpForm, written
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.kernel.period import local_day
from monetization.users.permissions import TenantRequest

Step = TypeVar("Step")

_PLAN_STEPS: dict[str, tuple[Callable[..., CreditPlan], str]] = {
    "pause": (recurring.pause_plan, "is paused"),
    "resume": (recurring.resume_plan, "grants again"),
    "end": (recurring.stop_plan, "is ended; grants made stay"),
}
_TOP_UP_STEPS: dict[str, tuple[Callable[..., CreditTopUp], str]] = {
    "pause": (recurring.pause_top_up, "is paused"),
    "resume": (recurring.resume_top_up, "sells again"),
    "end": (recurring.stop_top_up, "is ended; credits sold stay"),
}


def tab(customer_id: UUID) -> str:
    return f"{reverse('customers:detail', args=[customer_id])}?tab=credits"


@member_required("invoices:write")
def plan_new(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Plan credits for a customer; what is due is granted at once."""
    customer = get_object_or_404(Customer, id=customer_id)
    now = timezone.now()
    start = {"starts_on": local_day(now, customer.time_zone).replace(day=1)}
    form = PlanForm(request.POST or None, initial=start)

    def make() -> str:
        plan = recurring.plan_credits(words=form.words(customer), rhythm=form.rhythm(), now=now)
        grant_by_plan(plan_id=plan.id, now=now)
        return f"{plan.name} is planned."

    return _answer(request, form, customer, "New recurring credits", make)


@member_required("invoices:write")
def plan_edit(request: TenantRequest, plan_id: UUID) -> HttpResponse:
    """Change a plan from its next step on."""
    plan = get_object_or_404(CreditPlan.objects.select_related("customer"), id=plan_id)
    form = PlanForm(request.POST or None, initial=written(plan), is_change=True)

    def make() -> str:
        recurring.change_plan(plan_id=plan.id, changes=form.changed(), now=timezone.now())
        return f"{plan.name} is changed from its next grant on."

    return _answer(request, form, plan.customer, f"Change {plan.name}", make)


@require_POST
@member_required("invoices:write")
def plan_step(request: TenantRequest, plan_id: UUID) -> HttpResponse:
    """Pause, resume or end a plan."""
    plan = get_object_or_404(CreditPlan, id=plan_id)
    use_case, said = _step(_PLAN_STEPS, request)
    try:
        use_case(plan_id=plan.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, tab(plan.customer_id))
    return done(request, f"{plan.name} {said}.", tab(plan.customer_id))


@member_required("invoices:write")
def top_up_new(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Sell credits by themselves whenever the balance runs low."""
    customer = get_object_or_404(Customer, id=customer_id)
    form = TopUpForm(request.POST or None)

    def make() -> str:
        rule = recurring.set_top_up(
            words=form.words(customer), selling=form.selling(), now=timezone.now()
        )
        return f"{rule.name} watches the balance."

    return _answer(request, form, customer, "New top-up", make)


@member_required("invoices:write")
def top_up_edit(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Change a top-up from its next sale on."""
    rule = get_object_or_404(CreditTopUp.objects.select_related("customer"), id=rule_id)
    form = TopUpForm(request.POST or None, initial=written(rule), is_change=True)

    def make() -> str:
        recurring.change_top_up(rule_id=rule.id, changes=form.changed(), now=timezone.now())
        return f"{rule.name} is changed from its next sale on."

    return _answer(request, form, rule.customer, f"Change {rule.name}", make)


@require_POST
@member_required("invoices:write")
def top_up_step(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Pause, resume or end a top-up."""
    rule = get_object_or_404(CreditTopUp, id=rule_id)
    use_case, said = _step(_TOP_UP_STEPS, request)
    try:
        use_case(rule_id=rule.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, tab(rule.customer_id))
    return done(request, f"{rule.name} {said}.", tab(rule.customer_id))


def _step(steps: dict[str, Step], request: TenantRequest) -> Step:
    found = steps.get(request.POST.get("do", ""))
    if found is None:
        raise Http404
    return found


def _answer(
    request: TenantRequest,
    form: PlanForm | TopUpForm,
    customer: Customer,
    title: str,
    make: Callable[[], str],
) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            said = make()
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, said, tab(customer.id))
    context = {"form": form, "customer": customer, "title": title}
    status = 422 if form.is_bound else 200
    return render(request, "billing/credit_rule_form.html", context, status=status)

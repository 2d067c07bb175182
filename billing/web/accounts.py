"""A customer's account: statement, reminders, how it is billed."""

from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from billing import selectors
from billing.models import CustomerBilling, Invoice, Reminder
from billing.services import reminders
from billing.services.paper import statement_context
from billing.web.documents import pdf_response
from billing.web.forms import CustomerBillingForm, ReminderPlanForm
from monetization.customers.models import Customer
from monetization.documents.services import PdfTooLarge, PdfUnavailable, render_pdf
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.kernel.period import add_months
from monetization.tenancy.models import tenant_today


@member_required("invoices:read")
def statement(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Show a customer's account; as a PDF with ``format=pdf``."""
    customer = get_object_or_404(Customer.objects.select_related("legal_entity"), id=customer_id)
    today = tenant_today()
    currencies = selectors.currencies_of(customer.id) or [customer.currency]
    currency = request.GET.get("currency", "")
    if currency not in currencies:
        currency = customer.currency if customer.currency in currencies else currencies[0]
    until = _day(request.GET.get("until", ""), today)
    since = _day(request.GET.get("since", ""), add_months(until.replace(day=1), -3, anchor_day=1))
    if since > until:
        since = until.replace(day=1)
    found = selectors.statement(
        customer_id=customer.id, currency=currency, since=since, until=until, today=today
    )
    context: dict[str, Any] = {"customer": customer, "statement": found, "today": today}
    if request.GET.get("format") == "pdf":
        try:
            content = render_pdf(
                "billing/statement_print.html", statement_context(customer, found, today)
            )
        except (PdfUnavailable, PdfTooLarge) as refusal:
            to = reverse("billing:statement", args=[customer.id])
            return refused(request, refusal, to)
        return pdf_response(content, f"statement-{until}.pdf")
    habits = CustomerBilling.objects.filter(customer=customer).first()
    return render(
        request,
        "billing/statement.html",
        {**context, "currencies": currencies, "habits": habits},
    )


def _day(text: str, default: date) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return default
    return found if 1970 <= found.year < 2200 else default


@member_required("invoices:read", write="invoices:write")
def reminder_plan(request: HttpRequest) -> HttpResponse:
    """Set when unpaid invoices are reminded of; see who is next."""
    plan = reminders.reminder_plan()
    form = ReminderPlanForm(
        request.POST or None, initial={"is_enabled": plan.is_enabled, "days": plan.days}
    )
    if request.method == "POST" and form.is_valid():
        try:
            plan = reminders.set_reminder_plan(**form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            words = "Reminders are on." if plan.is_enabled else "Reminders are off."
            return done(request, words, reverse("billing:reminders"))
    today = tenant_today()
    due = dict(reminders.due_reminders(today=today)[:50])
    waiting = Invoice.objects.filter(id__in=list(due)).select_related("customer").order_by("due_on")
    return render(
        request,
        "billing/reminders.html",
        {
            "form": form,
            "plan": plan,
            "waiting": [(row, due[row.id], (today - row.due_on).days) for row in waiting],
            "sent": Reminder.objects.select_related("invoice__customer", "mail").order_by("-at")[
                :30
            ],
            "own": CustomerBilling.objects.filter(reminder_days__isnull=False)
            .select_related("customer")
            .order_by("customer__name")[:100],
        },
        status=422 if form.errors else 200,
    )


@require_POST
@member_required("invoices:write")
def remind_now(request: HttpRequest, invoice_id: UUID) -> HttpResponse:
    """Send the reminder that is due now, or one for today."""
    invoice = get_object_or_404(Invoice, id=invoice_id)
    to = reverse("billing:invoice-detail", args=[invoice.id])
    today = tenant_today()
    days = (today - invoice.due_on).days if invoice.due_on else 0
    try:
        reminders.send_reminder(invoice_id=invoice.id, days=days, today=today, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, "The reminder is in the outbox.", to)


@member_required("invoices:read", write="invoices:write")
def customer_billing(request: HttpRequest, customer_id: UUID) -> HttpResponse:
    """Set how one customer is billed where it differs from the rest."""
    customer = get_object_or_404(Customer, id=customer_id)
    row = CustomerBilling.objects.filter(customer=customer).first()
    own = row.reminder_days if row else None
    form = CustomerBillingForm(
        request.POST or None,
        initial={
            "requires_purchase_order": bool(row and row.requires_purchase_order),
            "reminders": "plan" if own is None else "own" if own else "never",
            "days": own or "",
        },
    )
    back = reverse("billing:statement", args=[customer.id])
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        chosen: Any = {"plan": None, "never": [], "own": data["days"]}[data["reminders"]]
        reminders.set_customer_billing(
            customer_id=customer.id,
            requires_purchase_order=data["requires_purchase_order"],
            reminder_days=chosen,
        )
        return done(request, f"Billing of {customer.name} saved.", back)
    return render(
        request,
        "billing/desk_form.html",
        {
            "form": form,
            "title": f"How {customer.name} is billed",
            "verb": "Save",
            "back": back,
            "customer": customer,
        },
        status=422 if form.is_bound else 200,
    )

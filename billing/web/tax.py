"""Settings, Tax: the rates of each legal entity, by category and country; and a customer's own."""

from typing import Any
from uuid import UUID

from django import forms
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from billing.models import CustomerTaxRate, TaxRate, TaxSetting
from billing.services import taxing
from monetization.customers.models import Customer
from monetization.interface.access import member_required
from monetization.interface.forms import DayField, ExactNumberField, PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import LegalEntity, tenant_today
from monetization.users.permissions import TenantRequest


class RateForm(PageForm):
    """What is charged on a category in a country."""

    category = forms.CharField(max_length=20, initial=taxing.STANDARD)
    country = forms.CharField(
        max_length=2, required=False, help_text="Two letters. Empty: every other country."
    )
    treatment = forms.ChoiceField(choices=TaxRate.Treatment.choices)
    name = forms.CharField(max_length=40, help_text="As the invoice says it: VAT, GST.")
    percent = ExactNumberField(whole=3, places=6, required=False)
    valid_from = DayField(
        required=False,
        help_text="First tax date, past or to come. Empty: since ever.",
    )


class CustomerRateForm(PageForm):
    """What a customer is charged from a day on."""

    valid_from = DayField(
        help_text="First tax date, past or to come.",
    )
    treatment = forms.ChoiceField(choices=TaxRate.Treatment.choices)
    name = forms.CharField(max_length=40, help_text="As the invoice says it: VAT, GST.")
    percent = ExactNumberField(whole=3, places=6, required=False)


@require_safe
@member_required("settings:read")
def tax_settings_page(request: TenantRequest) -> HttpResponse:
    """Show the rates of every legal entity and how it adds tax up."""
    return _page(request)


def _page(
    request: TenantRequest, form: RateForm | None = None, of: UUID | None = None
) -> HttpResponse:
    settings = taxing.tax_settings()
    rates = _rates_by_entity()
    context = {
        "tab": "tax",
        "entities": [
            (
                each,
                settings.get(each.id) or TaxSetting(),
                rates.get(each.id, []),
                form if form is not None and of == each.id else RateForm(auto_id=f"{each.code}-%s"),
            )
            for each in LegalEntity.objects.order_by("-is_default", "name")
        ],
        "methods": TaxSetting.Method.choices,
        "points": TaxSetting.Point.choices,
        "categories": taxing.categories(),
        "may_write": request.principal.may("settings:write"),
    }
    return render(
        request, "billing/tax_settings.html", context, status=200 if form is None else 422
    )


def _rates_by_entity() -> dict[UUID, list[tuple[TaxRate, tuple[str, str]]]]:
    """Return the rates of each entity, of a place the latest first, each with its state."""
    today = tenant_today()
    rows = TaxRate.objects.order_by("category", "-country", F("valid_from").desc(nulls_last=True))
    in_force = set(taxing.rates_on(TaxRate.objects.all(), today).values_list("id", flat=True))
    found: dict[UUID, list[tuple[TaxRate, tuple[str, str]]]] = {}
    for rate in rows:
        is_to_come = rate.valid_from is not None and rate.valid_from > today
        state = _state(is_in_force=rate.id in in_force, is_to_come=is_to_come)
        found.setdefault(rate.legal_entity_id, []).append((rate, state))
    return found


@require_POST
@member_required("settings:write")
def set_method(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Say how an entity adds tax up, and whether its prices contain it."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    to = reverse("billing:tax-settings")
    try:
        taxing.set_tax_method(
            legal_entity_id=entity.id,
            method=request.POST.get("method", ""),
            prices_include_tax=request.POST.get("prices_include_tax") == "on",
            tax_point=request.POST.get("tax_point", TaxSetting.Point.EARLIER),
            now=timezone.now(),
        )
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"Saved for {entity.name}; invoices opened from now on follow.", to)


@require_POST
@member_required("settings:write")
def set_rate(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Add a rate, or write the one of the same category and country anew."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    form = RateForm(request.POST, auto_id=f"{entity.code}-%s")
    if form.is_valid():
        data: dict[str, Any] = form.cleaned_data
        data["percent"] = data["percent"] or 0
        try:
            rate = taxing.set_tax_rate(legal_entity_id=entity.id, **data, now=timezone.now())
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            message = f"{rate.name} on {rate.category} is saved; recalculate drafts to apply it."
            return done(request, message, reverse("billing:tax-settings"))
    return _page(request, form, entity.id)


@require_POST
@member_required("settings:write")
def remove_rate(request: TenantRequest, rate_id: UUID) -> HttpResponse:
    """Take a rate back."""
    rate = get_object_or_404(TaxRate, id=rate_id)
    taxing.remove_tax_rate(rate_id=rate.id, now=timezone.now())
    to = reverse("billing:tax-settings")
    return done(request, f"{rate.name} on {rate.category} is gone; recalculate drafts.", to)


@member_required("customers:read", write="customers:write")
def customer_tax(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Show what a customer is charged from which day on, and set another."""
    customer = get_object_or_404(Customer, id=customer_id)
    form = CustomerRateForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        data: dict[str, Any] = form.cleaned_data
        data["percent"] = data["percent"] or 0
        try:
            rate = taxing.set_customer_tax(customer_id=customer.id, **data, now=timezone.now())
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            message = f"{rate.name} is saved; recalculate drafts to apply it."
            return done(request, message, reverse("billing:customer-tax", args=[customer.id]))
    today = tenant_today()
    rows = list(customer.own_tax_rates.order_by("-valid_from"))
    in_force = next((row for row in rows if row.valid_from <= today), None)
    return render(
        request,
        "billing/customer_tax.html",
        {
            "customer": customer,
            "form": form,
            "rates": [
                (row, _state(is_in_force=row is in_force, is_to_come=row.valid_from > today))
                for row in rows
            ],
            "profile_state": _state(is_in_force=in_force is None, is_to_come=False),
            "may_write": request.principal.may("customers:write"),
        },
        status=422 if form.errors else 200,
    )


def _state(*, is_in_force: bool, is_to_come: bool) -> tuple[str, str]:
    """Return the badge of a rate: its tone and its word."""
    if is_in_force:
        return "active", "In force"
    return ("pending", "To come") if is_to_come else ("ended", "Past")


@require_POST
@member_required("customers:write")
def remove_customer_rate(request: TenantRequest, rate_id: UUID) -> HttpResponse:
    """Take a customer's tax of a day back."""
    rate = get_object_or_404(CustomerTaxRate, id=rate_id)
    taxing.remove_customer_tax(rate_id=rate.id, now=timezone.now())
    to = reverse("billing:customer-tax", args=[rate.customer_id])
    return done(request, f"{rate.name} is gone; recalculate drafts.", to)

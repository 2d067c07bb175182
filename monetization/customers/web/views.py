"""The list of customers, and everything about one of them."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from monetization.customers import selectors, services
from monetization.customers.models import BillingContact, Customer
from monetization.customers.web.forms import (
    AliasForm,
    ContactForm,
    CustomerFilterForm,
    CustomerForm,
)
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import CURRENCIES, countries, zone_names
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
# tab -> what it is called, and the permission that shows it
TABS = {
    "overview": ("Overview", "customers:read"),
    "usage": ("Usage", "usage:read"),
    "contracts": ("Contracts", "schedules:read"),
    "invoices": ("Invoices", "invoices:read"),
    "credits": ("Credits", "invoices:read"),
    "alerts": ("Alerts", "alerts:read"),
    "activity": ("Activity", "customers:read"),
}


@require_GET
@member_required("customers:read")
def customer_list(request: TenantRequest) -> HttpResponse:
    """List customers, fifty a page."""
    filters = CustomerFilterForm(request.GET).chosen()
    rows = selectors.list_customers(**filters)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    currencies, found = selectors.currencies_and_countries()
    context = {
        "page": page,
        "filters": filters,
        "is_filtered": any(value for name, value in filters.items() if name != "sort"),
        "currencies": currencies,
        "countries": [(code, countries().get(code, code)) for code in found],
        "country_names": countries(),
    }
    return render(request, "customers/list.html", context)


@require_GET
@member_required("customers:read")
def customer_export(request: TenantRequest) -> HttpResponseBase:
    """Answer with the list, as filtered, as a CSV file."""
    rows = selectors.list_customers(**CustomerFilterForm(request.GET).chosen())
    header = (
        "Name", "Legal name", "CRM id", "Sold by", "Country", "Currency", "Payment terms (days)",
        "Tax treatment", "Tax name", "Tax rate (percent)", "Tax id", "Purchase order",
        "Billing contact", "Billing email", "Time zone",
    )  # fmt: skip
    return csv_response("customers.csv", header, (_export_row(row) for row in rows))


def _export_row(customer: Any) -> tuple[Any, ...]:
    contact = customer.primary_contacts[0] if customer.primary_contacts else None
    return (
        customer.name, customer.legal_name, customer.external_id, customer.legal_entity.name,
        customer.country, customer.currency, customer.payment_terms_days,
        customer.get_tax_treatment_display(), customer.tax_name, customer.tax_percent,
        customer.tax_id, customer.purchase_order, contact.name if contact else "",
        contact.email if contact else "", customer.time_zone,
    )  # fmt: skip


def _form_page(
    request: TenantRequest, form: CustomerForm, customer: Customer | None
) -> HttpResponse:
    context = {
        "form": form,
        "customer": customer,
        "currencies": CURRENCIES,
        "zones": zone_names(),
    }
    status = 422 if form.errors else 200
    return render(request, "customers/form.html", context, status=status)


@member_required("customers:write")
def customer_create(request: TenantRequest) -> HttpResponse:
    """Add a customer."""
    form = CustomerForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        return _form_page(request, form, None)
    details = dict(form.cleaned_data)
    entity = details.pop("legal_entity")
    try:
        customer = services.create_customer(
            **details, legal_entity_id=entity.id, now=timezone.now()
        )
    except Refusal as refusal:
        form.refuse(refusal)
        return _form_page(request, form, None)
    to = reverse("customers:detail", args=[customer.id])
    return done(request, f"{customer.name} is added.", to)


@member_required("customers:write")
def customer_edit(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Change a customer's details."""
    customer = get_object_or_404(Customer, id=customer_id)
    initial = {name: getattr(customer, name) for name in CustomerForm.base_fields}
    initial["legal_entity"] = customer.legal_entity_id
    initial["tax_percent"] = customer.tax_percent or ""
    form = CustomerForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method != "POST" or not form.is_valid():
        return _form_page(request, form, customer)
    try:
        services.update_customer(customer_id=customer.id, **form.cleaned_data)
    except Refusal as refusal:
        form.refuse(refusal)
        return _form_page(request, form, customer)
    return done(request, "Saved.", reverse("customers:detail", args=[customer.id]))


@require_POST
@member_required("customers:write")
def customer_archive(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Hide a customer from lists, or bring them back; their documents stay."""
    customer = get_object_or_404(Customer, id=customer_id)
    archive = request.POST.get("archive") == "yes"
    services.update_customer(customer_id=customer.id, is_archived=archive)
    said = "archived; contracts and invoices go on" if archive else "active again"
    to = reverse("customers:detail", args=[customer.id])
    return done(request, f"{customer.name} is {said}.", to)


@require_GET
@member_required("customers:read")
def customer_detail(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Show one customer, one tab at a time."""
    return _detail(request, get_object_or_404(_customers(), id=customer_id))


def _customers() -> Any:
    return Customer.objects.select_related("legal_entity")


def _detail(
    request: TenantRequest,
    customer: Customer,
    contact_form: ContactForm | None = None,
    alias_form: AliasForm | None = None,
) -> HttpResponse:
    """Render the page; a form given here has errors and is shown open."""
    principal = request.principal
    tabs = {name: label for name, (label, needed) in TABS.items() if principal.may(needed)}
    tab = request.GET.get("tab", "")
    context: dict[str, Any] = {
        "customer": customer,
        "tabs": tabs,
        "tab": tab if tab in tabs else "overview",
        "may_write": principal.may("customers:write"),
        "country_name": countries().get(customer.country, customer.country),
    }
    if context["tab"] == "overview":
        context["contacts"] = customer.contacts.order_by("-is_primary", "name")
        context["aliases"] = customer.aliases.order_by(
            F("valid__startswith").asc(nulls_first=True), "alias"
        )
        context["contact_form"] = contact_form or ContactForm()
        context["alias_form"] = alias_form or AliasForm()
    elif context["tab"] == "activity":
        context["activity"] = selectors.activity(customer.id)
    failed = contact_form is not None or alias_form is not None
    return render(request, "customers/detail.html", context, status=422 if failed else 200)


@member_required("customers:write")
def contact_create(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Add somebody who receives the customer's documents."""
    customer = get_object_or_404(_customers(), id=customer_id)
    if request.method != "POST":  # the page of a refused form, loaded again
        return redirect("customers:detail", customer_id=customer.id)
    form = ContactForm(request.POST)
    if form.is_valid() and customer.contacts.filter(email=form.cleaned_data["email"]).exists():
        form.add_error("email", "Already receives this customer's documents; edit them instead.")
    if not form.is_valid():
        return _detail(request, customer, contact_form=form)
    contact = services.add_contact(customer_id=customer.id, **form.cleaned_data)
    to = reverse("customers:detail", args=[customer.id])
    return done(request, f"{contact.name} will receive documents.", to)


@member_required("customers:write")
def contact_edit(request: TenantRequest, customer_id: UUID, contact_id: UUID) -> HttpResponse:
    """Change a contact."""
    contact = get_object_or_404(BillingContact, id=contact_id, customer_id=customer_id)
    initial = {"name": contact.name, "email": contact.email, "is_primary": contact.is_primary}
    form = ContactForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.update_contact(contact_id=contact.id, **form.cleaned_data)
            return done(request, "Saved.", reverse("customers:detail", args=[customer_id]))
        except Refusal as refusal:
            form.refuse(refusal)
    context = {"form": form, "contact": contact, "customer": contact.customer}
    status = 422 if form.errors else 200
    return render(request, "customers/contact.html", context, status=status)


@require_POST
@member_required("customers:write")
def contact_remove(request: TenantRequest, customer_id: UUID, contact_id: UUID) -> HttpResponse:
    """Stop sending documents to a contact."""
    contact = get_object_or_404(BillingContact, id=contact_id, customer_id=customer_id)
    services.remove_contact(contact_id=contact.id)
    to = reverse("customers:detail", args=[customer_id])
    return done(request, f"{contact.name} no longer receives documents.", to)


@member_required("customers:write")
def alias_map(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Say that usage under a name belongs to the customer."""
    customer = get_object_or_404(_customers(), id=customer_id)
    to = reverse("customers:detail", args=[customer.id])
    if request.method != "POST":
        return redirect(to)
    with timezone.override(customer.time_zone):  # people write their customer's local time
        form = AliasForm(request.POST)
        if not form.is_valid():
            return _detail(request, customer, alias_form=form)
    try:
        alias = services.map_alias(customer_id=customer.id, now=timezone.now(), **form.cleaned_data)
    except services.AliasHeld as refusal:
        form.add_error("alias", f"{refusal}.")
        return _detail(request, customer, alias_form=form)
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(
        request,
        f"Usage under {alias.alias} belongs to {customer.name}; "
        "events already stored under it are being attributed.",
        to,
    )

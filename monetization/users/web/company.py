"""The company, its legal entities, and which of their companies a person works in."""

from typing import cast
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from monetization.interface.access import member_required
from monetization.interface.forms import CURRENCIES, countries, zone_names
from monetization.interface.htmx import done
from monetization.tenancy.models import LegalEntity, Tenant
from monetization.users import services
from monetization.users.middleware import SESSION_TENANT
from monetization.users.models import Membership
from monetization.users.permissions import TenantRequest
from monetization.users.web.forms import CompanyForm, EntityForm

_ENTITY_FIELDS = ("name", "address", "country", "tax_id", "email", "bank_details", "footer")


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="settings:write")
def index(request: TenantRequest) -> HttpResponse:
    """Show the company and its legal entities; save the company's own details."""
    principal = request.principal
    tenant = Tenant.objects.get(id=principal.tenant_id)
    if request.method == "POST":
        form = CompanyForm(request.POST)
        if form.is_valid():
            services.change_company(now=timezone.now(), **form.cleaned_data)
            return done(request, "Saved.", reverse("settings:index"))
    else:
        form = CompanyForm(
            initial={
                "name": tenant.name,
                "time_zone": tenant.time_zone,
                "default_currency": tenant.default_currency,
            }
        )
    context = {
        "tab": "company",
        "form": form,
        "may_write": principal.may("settings:write"),
        "entities": LegalEntity.objects.order_by("-is_default", "name"),
        "country_names": countries(),
        "zones": zone_names(),
        "currencies": CURRENCIES,
        "memberships": Membership.objects.filter(user_id=cast(UUID, principal.user_id))
        .select_related("tenant")
        .order_by("tenant__name"),
    }
    return render(request, "settings/company.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="settings:write")
def entity(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Show and change what a legal entity's documents say."""
    row = get_object_or_404(LegalEntity, id=entity_id)
    if request.method == "POST":
        form = EntityForm(request.POST)
        if form.is_valid():
            services.change_legal_entity(entity_id=row.id, now=timezone.now(), **form.cleaned_data)
            return done(
                request,
                f"Saved. The next documents of {form.cleaned_data['name']} say so.",
                reverse("settings:index"),
            )
    else:
        form = EntityForm(initial={name: getattr(row, name) for name in _ENTITY_FIELDS})
    context = {
        "tab": "company",
        "entity": row,
        "form": form,
        "may_write": request.principal.may("settings:write"),
        "country_name": countries().get(row.country, row.country),
    }
    return render(request, "settings/entity.html", context, status=422 if form.errors else 200)


@require_POST
@member_required("settings:read", write="settings:read")
def switch(request: TenantRequest) -> HttpResponse:
    """Work in another company the person belongs to."""
    user_id = request.principal.user_id
    try:
        tenant_id = UUID(request.POST.get("tenant", ""))
    except ValueError:
        raise Http404 from None
    membership = get_object_or_404(Membership, user_id=user_id, tenant_id=tenant_id)
    request.session[SESSION_TENANT] = str(membership.tenant_id)
    return redirect("/")

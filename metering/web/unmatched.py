"""Aliases nobody holds, and who they belong to."""

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from metering.selectors import UnmatchedAlias, unmatched_aliases
from metering.selectors.exploring import count_unmatched
from metering.web.choosing import CustomerNameField, customer_labels
from monetization.customers.services import map_alias
from monetization.interface.access import member_required
from monetization.interface.forms import PageForm, sentence
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

SHOWN = 200


class MapForm(PageForm):
    """Whom an alias belongs to."""

    alias = forms.CharField(max_length=200, strip=False, widget=forms.HiddenInput)
    customer = CustomerNameField(required=True)


@member_required("usage:read", write="customers:write")
def unmatched(request: TenantRequest) -> HttpResponse:
    """List unmatched aliases, most events first; map one to a customer."""
    form = MapForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        alias, customer = form.cleaned_data["alias"], form.cleaned_data["customer"]
        events = count_unmatched(alias)
        try:
            map_alias(customer_id=customer.id, alias=alias, now=timezone.now())
        except Refusal as refusal:
            form.add_error("customer", sentence(str(refusal)))
        else:
            stored = f"{events:,} stored event{'' if events == 1 else 's'}"
            said = f"{alias} belongs to {customer.name}. {stored} are being attributed."
            return done(
                request,
                said.replace("1 stored event are", "1 stored event is"),
                reverse("metering:unmatched"),
            )
    principal = request.principal
    rows = unmatched_aliases(limit=SHOWN)
    context = {
        "rows": [(row, _form_of(row, form)) for row in rows],
        "events": sum(row.events for row in rows),
        "shown": SHOWN,
        "customers": customer_labels(),
        "may_map": principal.may("customers:write"),
    }
    return render(request, "metering/unmatched.html", context, status=422 if form else 200)


def _form_of(row: UnmatchedAlias, failed: MapForm | None) -> Any:
    if failed is not None and failed.data.get("alias") == row.alias:
        return failed
    return None

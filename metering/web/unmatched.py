"""Aliases nobody holds, and who they belong to."""

from django.db import transaction
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from metering.selectors import unmatched_aliases
from metering.selectors.exploring import count_unmatched
from metering.web.choosing import CustomerNameField, customer_labels
from monetization.customers.services import map_alias
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import PageForm, sentence
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest

SHOWN = 200
EXPORTED = 50_000


class MapForm(PageForm):
    """Whom aliases belong to."""

    customer = CustomerNameField(required=True)

    def aliases(self) -> list[str]:
        """Return the aliases that were picked, each once."""
        picked = self.data.getlist("alias")[:SHOWN]  # type: ignore[attr-defined]
        return list(
            dict.fromkeys(one for one in picked if 0 < len(one) <= 200 and "\x00" not in one)
        )


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("usage:read", write="customers:write")
def unmatched(request: TenantRequest) -> HttpResponse:
    """List unmatched aliases, most events first; map those picked to a customer."""
    form = MapForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        aliases, customer = form.aliases(), form.cleaned_data["customer"]
        events = sum(map(count_unmatched, aliases))
        try:
            if not aliases:
                raise Refusal("pick at least one alias")
            with transaction.atomic():
                for alias in aliases:
                    map_alias(customer_id=customer.id, alias=alias, now=timezone.now())
        except Refusal as refusal:
            form.add_error("customer", sentence(str(refusal)))
        else:
            who = aliases[0] if len(aliases) == 1 else f"{len(aliases)} aliases"
            belong = "belongs" if len(aliases) == 1 else "belong"
            stored = "1 stored event is" if events == 1 else f"{events:,} stored events are"
            said = f"{who} {belong} to {customer.name}. {stored} being attributed."
            return done(request, said, reverse("metering:unmatched"))
    rows = unmatched_aliases(limit=SHOWN)
    context = {
        "rows": rows,
        "failed": form,
        "picked": set(form.aliases()) if form else set(),
        "events": sum(row.events for row in rows),
        "shown": SHOWN,
        "customers": customer_labels(),
        "may_map": request.principal.may("customers:write"),
    }
    return render(request, "metering/unmatched.html", context, status=422 if form else 200)


@require_safe
@member_required("usage:read")
def unmatched_export(request: TenantRequest) -> HttpResponseBase:
    """Write the aliases nobody holds as a CSV file."""
    header = ("Alias", "Events", "First", "Last")
    rows = (
        (row.alias, row.events, row.first_at.isoformat(), row.last_at.isoformat())
        for row in unmatched_aliases(limit=EXPORTED)
    )
    return csv_response("unmatched-aliases.csv", header, rows)

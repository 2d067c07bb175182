"""The activity stream: every business fact, what caused it and who was told."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from monetization.events.models import Event, EventDelivery
from monetization.events.schemas import PayloadInvalid, event_type, event_types
from monetization.events.services import replay_delivery
from monetization.interface.access import member_required
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done
from monetization.users.permissions import TenantRequest
from monetization.users.web.words import names_of_rows

PER_PAGE = 50
# first part of an event's subject -> the table of that thing, and its page
_KINDS = {
    "invoice": ("billing_invoice", "billing:invoice-detail"),
    "schedule": ("billing_billingschedule", "billing:schedule-detail"),
    "customer": ("customers_customer", "customers:detail"),
    "quote": ("quotes_quote", "quotes:detail"),
    "order-form": ("quotes_orderform", ""),
    "credit-note": ("billing_creditnote", ""),
    "payment": ("billing_payment", ""),
    "meter": ("metering_meter", ""),
    "price": ("catalog_price", "catalog:price-detail"),
}
# keys of an event's data that name what it is about, best first
_SAYS = ("number", "name", "title", "reference", "email", "month", "alias", "changed", "reason")


class EventFilterForm(PageForm):
    type = forms.ChoiceField(label="What happened", required=False)
    actor = forms.CharField(label="Who", required=False, max_length=200)
    subject = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    failed = forms.BooleanField(label="Only with failed reactions", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = sorted(event_types(), key=lambda kind: kind.description)
        self.fields["type"].choices = [  # type: ignore[attr-defined]
            ("", "Everything"),
            *((kind.name, kind.description) for kind in kinds),
        ]


@require_safe
@member_required("events:read")
def event_list(request: TenantRequest) -> HttpResponse:
    """List business facts, newest first."""
    form = EventFilterForm(request.GET)
    form.is_valid()
    chosen = form.cleaned_data
    rows = Event.objects.order_by("-recorded_at", "-id")
    for name, lookup in (("type", "type"), ("actor", "actor__icontains"), ("subject", "subject")):
        if chosen.get(name):
            rows = rows.filter(**{lookup: chosen[name]})
    if chosen.get("failed"):
        stuck = EventDelivery.objects.filter(delivered_at__isnull=True).exclude(last_error="")
        rows = rows.filter(id__in=stuck.values("event_id"))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"form": form, "page": page, "rows": shown(list(page))}
    return render(request, "events/list.html", context)


@require_safe
@member_required("events:read")
def event_detail(request: TenantRequest, event_id: UUID) -> HttpResponse:
    """Show one fact: its data, its cause, its reactions and its journal entries."""
    event = get_object_or_404(Event.objects.select_related("caused_by"), id=event_id)
    deliveries = event.deliveries.order_by("handler")
    one, *causes = shown([event, *([event.caused_by] if event.caused_by else [])])
    context = {
        "one": one,
        "event": event,
        "cause": causes[0] if causes else None,
        "deliveries": deliveries,
        "data": [
            (key.removesuffix("_id").replace("_", " ").capitalize(), value)
            for key, value in event.data.items()
            if not key.endswith("_id")
        ],
        "entries": event.journal_entries.order_by("id"),
        "may_replay": request.principal.may("jobs:write"),
    }
    return render(request, "events/detail.html", context)


@require_POST
@member_required("events:read")
@member_required("jobs:write")
def replay(request: TenantRequest, delivery_id: UUID) -> HttpResponse:
    """Run a failed reaction again."""
    delivery = get_object_or_404(EventDelivery, id=delivery_id)
    replay_delivery(delivery_id=delivery.id, now=timezone.now())
    return done(request, "It runs again now.", reverse("events:detail", args=[delivery.event_id]))


def shown(events: list[Event]) -> list[dict[str, Any]]:
    """Put events into words, with one query per kind of thing they are about."""
    ids: dict[str, set[UUID]] = {}
    for event in events:
        kind, row_id = _subject(event)
        if kind in _KINDS and row_id is not None:
            ids.setdefault(_KINDS[kind][0], set()).add(row_id)
    names = names_of_rows(ids)
    return [_shown(event, names) for event in events]


def _subject(event: Event) -> tuple[str, UUID | None]:
    kind, _, row_id = event.subject.partition("/")
    try:
        return kind, UUID(row_id)
    except ValueError:
        return kind, None


def _shown(event: Event, names: dict[UUID, str]) -> dict[str, Any]:
    try:
        what = event_type(event.type).description
    except PayloadInvalid:  # a type of an app that is no longer installed
        what = event.type
    kind, row_id = _subject(event)
    link = ""
    if row_id is not None and kind in _KINDS and _KINDS[kind][1]:
        try:
            link = reverse(_KINDS[kind][1], args=[row_id])
        except NoReverseMatch:
            link = ""
    said = next((str(event.data[key]) for key in _SAYS if event.data.get(key)), "")
    name = names.get(row_id, "") if row_id is not None else ""
    return {
        "event": event,
        "what": what,
        "kind": kind.replace("-", " ").capitalize(),
        "about": name or said,
        "detail": said if name and said != name else "",
        "link": link,
    }

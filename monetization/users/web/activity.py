"""The activity stream: every business fact, what caused it and who was told."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from monetization.events.models import Event, EventDelivery
from monetization.events.schemas import PayloadInvalid, event_type, event_types
from monetization.events.services import replay_delivery
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done
from monetization.users.decorators import member_required

PER_PAGE = 50
# first part of an event's subject -> the page of that thing
_PAGES = {
    "invoice": "billing:invoice-detail",
    "schedule": "billing:schedule-detail",
    "customer": "customers:detail",
    "quote": "quotes:detail",
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
def event_list(request: HttpRequest) -> HttpResponse:
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
    context = {"form": form, "page": page, "rows": [_shown(event) for event in page]}
    return render(request, "events/list.html", context)


@require_safe
@member_required("events:read")
def event_detail(request: HttpRequest, event_id: UUID) -> HttpResponse:
    """Show one fact: its data, its cause, its reactions and its journal entries."""
    event = get_object_or_404(Event.objects.select_related("caused_by"), id=event_id)
    deliveries = event.deliveries.order_by("handler")
    context = {
        "one": _shown(event),
        "event": event,
        "cause": _shown(event.caused_by) if event.caused_by else None,
        "deliveries": deliveries,
        "data": [
            (key.removesuffix("_id").replace("_", " ").capitalize(), value)
            for key, value in event.data.items()
            if not key.endswith("_id")
        ],
        "entries": event.journal_entries.order_by("id"),
        "may_replay": request.principal.may("jobs:write"),  # type: ignore[attr-defined]
    }
    return render(request, "events/detail.html", context)


@require_POST
@member_required("events:read", write="jobs:write")
def replay(request: HttpRequest, delivery_id: UUID) -> HttpResponse:
    """Run a failed reaction again."""
    delivery = get_object_or_404(EventDelivery, id=delivery_id)
    replay_delivery(delivery_id=delivery.id, now=timezone.now())
    return done(request, "It runs again now.", reverse("events:detail", args=[delivery.event_id]))


def _shown(event: Event) -> dict[str, Any]:
    try:
        what = event_type(event.type).description
    except PayloadInvalid:  # a type of an app that is no longer installed
        what = event.type
    kind, _, row_id = event.subject.partition("/")
    link = ""
    if kind in _PAGES:
        try:
            link = reverse(_PAGES[kind], args=[UUID(row_id)])
        except (NoReverseMatch, ValueError):
            link = ""
    about = next((str(event.data[key]) for key in _SAYS if event.data.get(key)), "")
    return {
        "event": event,
        "what": what,
        "kind": kind.replace("-", " ").capitalize(),
        "about": about,
        "link": link,
    }

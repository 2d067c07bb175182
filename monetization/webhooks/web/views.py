"""Webhooks in settings: endpoints, their log, and sending again."""

import json
from collections.abc import Callable
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Max, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest
from monetization.webhooks import services
from monetization.webhooks.models import EndpointHealth, WebhookDelivery, WebhookEndpoint
from monetization.webhooks.web.forms import EndpointForm, LogForm

PER_PAGE = 50
READ, WRITE = "webhooks:read", "webhooks:write"


def _live(endpoint_id: UUID) -> WebhookEndpoint:
    rows = WebhookEndpoint.objects.exclude(status=WebhookEndpoint.Status.REMOVED)
    return get_object_or_404(rows, id=endpoint_id)


def _may_write(request: TenantRequest) -> bool:
    return bool(request.principal.may(WRITE))


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def endpoint_list(request: TenantRequest) -> HttpResponse:
    """List the endpoints; set one up."""
    form = EndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.create_endpoint(**form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(
                request,
                "The endpoint is set up. Give its secret to the receiver, then send a test.",
                reverse("webhooks:endpoint", args=[made.id]),
            )
    waiting = Count("deliveries", filter=Q(deliveries__status=WebhookDelivery.Status.PENDING))
    failed = Count("deliveries", filter=Q(deliveries__status=WebhookDelivery.Status.FAILED))
    rows = (
        WebhookEndpoint.objects.exclude(status=WebhookEndpoint.Status.REMOVED)
        .annotate(waiting=waiting, failed=failed, last=Max("deliveries__delivered_at"))
        .order_by("id")
    )
    context = {"form": form, "rows": rows, "may_write": _may_write(request), "tab": "webhooks"}
    return render(request, "webhooks/list.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@member_required(READ, write=WRITE)
def endpoint_detail(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Show an endpoint with its log; change it."""
    endpoint = _live(endpoint_id)
    initial = {
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": endpoint.event_types,
    }
    form = EndpointForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_endpoint(endpoint_id=endpoint.id, **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return _back(request, endpoint, "The endpoint is changed.")
    log = LogForm(request.GET)
    rows = log.narrow(endpoint.deliveries.select_related("event").order_by("-id"))
    context = {
        "tab": "webhooks",
        "endpoint": endpoint,
        "health": EndpointHealth.objects.get(endpoint=endpoint),
        "form": form,
        "log": log,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "failed": endpoint.deliveries.filter(status=WebhookDelivery.Status.FAILED).count(),
        "may_write": _may_write(request),
        "now": timezone.now(),
    }
    return render(request, "webhooks/endpoint.html", context, status=422 if form.errors else 200)


def _back(request: TenantRequest, endpoint: WebhookEndpoint, says: str) -> HttpResponse:
    return done(request, says, reverse("webhooks:endpoint", args=[endpoint.id]))


def _attempt(
    request: TenantRequest, to: str, action: Callable[[], object], says: str
) -> HttpResponse:
    try:
        action()
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, says, to)


@require_POST
@member_required(READ, write=WRITE)
def secret(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Show the secret to who may change it."""
    response = render(request, "webhooks/_secret.html", {"endpoint": _live(endpoint_id)})
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@member_required(READ, write=WRITE)
def rotate(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Replace the secret; the old one signs for another day."""
    endpoint = _live(endpoint_id)
    services.rotate_secret(endpoint_id=endpoint.id, now=timezone.now())
    says = "There is a new secret. For 24 hours every delivery is signed with both."
    return _back(request, endpoint, says)


@require_POST
@member_required(READ, write=WRITE)
def test(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Send a test event to this endpoint."""
    endpoint = _live(endpoint_id)
    return _attempt(
        request,
        reverse("webhooks:endpoint", args=[endpoint.id]),
        lambda: services.test_endpoint(endpoint_id=endpoint.id, now=timezone.now()),
        "A test event is on its way; it is in the log below.",
    )


@require_POST
@member_required(READ, write=WRITE)
def switch(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Switch an endpoint on or off."""
    endpoint, on = _live(endpoint_id), request.POST.get("on") == "yes"
    services.switch_endpoint(endpoint_id=endpoint.id, on=on, now=timezone.now())
    says = "The endpoint is on; what waited is sent." if on else "Off. What happens now waits."
    return _back(request, endpoint, says)


@require_POST
@member_required(READ, write=WRITE)
def remove(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Remove an endpoint."""
    endpoint = _live(endpoint_id)
    services.remove_endpoint(endpoint_id=endpoint.id)
    return done(request, "The endpoint is removed.", reverse("webhooks:list"))


@require_POST
@member_required(READ, write=WRITE)
def all_again(request: TenantRequest, endpoint_id: UUID) -> HttpResponse:
    """Send every failed delivery of an endpoint again."""
    endpoint = _live(endpoint_id)
    return _attempt(
        request,
        reverse("webhooks:endpoint", args=[endpoint.id]),
        lambda: services.redeliver_failed(endpoint_id=endpoint.id, now=timezone.now()),
        "What had failed is sent again.",
    )


@require_safe
@member_required(READ)
def delivery(request: TenantRequest, delivery_id: UUID) -> HttpResponse:
    """Show one delivery: what was sent, and what every attempt was answered."""
    row = get_object_or_404(
        WebhookDelivery.objects.select_related("endpoint", "event"), id=delivery_id
    )
    body = json.dumps(services.event_body(row.event), indent=2, ensure_ascii=False)
    context = {
        "delivery": row,
        "body": body,
        "attempts": row.attempts_made.order_by("-number"),
        "is_on": row.endpoint.status == WebhookEndpoint.Status.ACTIVE,
        "is_removed": row.endpoint.status == WebhookEndpoint.Status.REMOVED,
        "may_write": _may_write(request),
    }
    return render(request, "webhooks/delivery.html", context)


@require_POST
@member_required(READ, write=WRITE)
def again(request: TenantRequest, delivery_id: UUID) -> HttpResponse:
    """Send one delivery once more."""
    row = get_object_or_404(WebhookDelivery, id=delivery_id)
    return _attempt(
        request,
        reverse("webhooks:delivery", args=[row.id]),
        lambda: services.redeliver(delivery_id=row.id, now=timezone.now()),
        "It is sent again within seconds.",
    )

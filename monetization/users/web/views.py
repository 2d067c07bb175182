"""Saved views of lists: one's own, and those shared with everybody."""

from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_POST, require_safe

from monetization.interface.access import member_required
from monetization.interface.htmx import done
from monetization.interface.models import SavedView
from monetization.users.models import User
from monetization.users.permissions import TenantRequest

# page of a saved view -> the list it belongs to
_LISTS = {
    "invoices": ("Invoices", "billing:invoice-list"),
    "customers": ("Customers", "customers:list"),
    "quotes": ("Quotes", "quotes:list"),
    "schedules": ("Schedules", "billing:schedule-list"),
    "payments": ("Payments", "billing:payment-list"),
}


@require_safe
@member_required("settings:read")
def view_list(request: TenantRequest) -> HttpResponse:
    """List the views a person can use."""
    user_id = request.principal.user_id
    found = list(
        SavedView.objects.filter(Q(owner_id=user_id) | Q(is_shared=True)).order_by("page", "name")
    )
    owners = dict(
        User.objects.filter(id__in={one.owner_id for one in found if one.owner_id}).values_list(
            "id", "name"
        )
    )
    rows = [
        {
            "view": one,
            "page": _LISTS.get(one.page, (one.page.capitalize(), ""))[0],
            "link": _link(one),
            "owner": owners.get(one.owner_id, "Comes with the product"),
            "is_mine": one.owner_id == user_id,
        }
        for one in found
    ]
    return render(request, "settings/views.html", {"tab": "views", "rows": rows})


def _link(view: SavedView) -> str:
    try:
        address = reverse(_LISTS[view.page][1])
    except (KeyError, NoReverseMatch):
        return ""
    return f"{address}?{view.query}" if view.query else address


@require_POST
@member_required("settings:read", write="settings:read")
def delete(request: TenantRequest, view_id: UUID) -> HttpResponse:
    """Delete a view of one's own."""
    user_id = request.principal.user_id
    view = get_object_or_404(SavedView, id=view_id, owner_id=user_id)
    view.delete()
    return done(request, f"The view {view.name} is deleted.", reverse("settings:views"))

"""Who belongs to the company, and as what."""

from collections.abc import Callable
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users import services
from monetization.users.models import Membership, Role
from monetization.users.permissions import TenantRequest
from monetization.users.web.forms import InviteForm, RoleForm

PER_PAGE = 50
ROLES = {
    Role.OWNER: "Everything, members and settings included",
    Role.FINANCE: "Invoices, payments, revenue, schedules, Xero",
    Role.REVOPS: "Customers, quotes, catalog, schedules",
    Role.ENGINEER: "Usage, meters, integrations, API keys",
    Role.AUDITOR: "Reads everything, changes nothing",
}


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="members:write")
def member_list(request: TenantRequest) -> HttpResponse:
    """List the members; invite one."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            membership = services.invite_member(now=timezone.now(), **form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(
                request,
                f"{membership.user} is invited; the mail is on its way.",
                reverse("settings:members"),
            )
    principal = request.principal
    rows = (
        Membership.objects.filter(tenant_id=principal.tenant_id)
        .select_related("user")
        .order_by("user__name", "user__email")
    )
    context = {
        "tab": "members",
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "roles": [(role.value, role.label, says) for role, says in ROLES.items()],
        "may_write": principal.may("members:write"),
    }
    return render(request, "settings/members.html", context, status=422 if form.errors else 200)


@require_POST
@member_required("settings:read", write="members:write")
def role(request: TenantRequest, membership_id: UUID) -> HttpResponse:
    """Give a member another role."""
    form = RoleForm(request.POST)
    if not form.is_valid():
        raise Http404

    def change() -> str:
        membership = services.change_role(
            membership_id=membership_id, role=form.cleaned_data["role"], now=timezone.now()
        )
        return f"{membership.user} is {membership.get_role_display()} now."

    return _act(request, change)


@require_POST
@member_required("settings:read", write="members:write")
def invite_again(request: TenantRequest, membership_id: UUID) -> HttpResponse:
    """Mail the invitation again."""

    def invite() -> str:
        membership = services.invite_again(membership_id=membership_id, now=timezone.now())
        return f"Another invitation to {membership.user.email} is on its way."

    return _act(request, invite)


@require_POST
@member_required("settings:read", write="members:write")
def remove(request: TenantRequest, membership_id: UUID) -> HttpResponse:
    """End a membership."""

    def end() -> str:
        name = services.remove_member(membership_id=membership_id, now=timezone.now())
        return f"{name} is no longer a member."

    return _act(request, end)


def _act(request: TenantRequest, use_case: Callable[[], str]) -> HttpResponse:
    to = reverse("settings:members")
    try:
        return done(request, use_case(), to)
    except Membership.DoesNotExist:
        raise Http404 from None
    except Refusal as refusal:
        return refused(request, refusal, to)

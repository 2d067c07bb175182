"""API keys: the secret is shown once, in the answer that made it."""

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from monetization.interface.access import member_required
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.users import services
from monetization.users.models import ApiKey
from monetization.users.permissions import TenantRequest
from monetization.users.web.forms import KeyForm, scope_label

PER_PAGE = 50


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="api-keys:write")
def key_list(request: TenantRequest) -> HttpResponse:
    """List the keys; make one and show its secret this one time."""
    principal = request.principal
    form = KeyForm(request.POST or None, granted=principal.permissions)
    made, secret = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, secret = services.create_api_key(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                granted=principal.permissions,
                expires_at=form.expires_at(),
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            form = KeyForm(granted=principal.permissions)
    rows = ApiKey.objects.filter(tenant_id=principal.tenant_id).order_by("revoked", "-created")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "tab": "api-keys",
        "form": form,
        "made": made,
        "secret": secret,
        "page": page,
        "rows": [(key, ", ".join(scope_label(scope) for scope in key.scopes)) for key in page],
        "may_write": principal.may("api-keys:write"),
    }
    response = render(
        request, "settings/api_keys.html", context, status=422 if form.errors else 200
    )
    if secret:
        response["Cache-Control"] = "no-store"
    return response


@require_POST
@member_required("settings:read", write="api-keys:write")
def revoke(request: TenantRequest, prefix: str) -> HttpResponse:
    """Revoke a key for good."""
    try:
        key = services.revoke_api_key(prefix=prefix)
    except ApiKey.DoesNotExist:
        raise Http404 from None
    return done(
        request, f"{key.name} is revoked; calls with it are refused.", reverse("settings:api-keys")
    )

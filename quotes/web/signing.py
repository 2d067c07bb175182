"""The signer's page: read, sign or decline. Works without any script and without an account."""

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from monetization.interface.viewsets import file_response
from monetization.kernel.errors import Refusal
from monetization.pricing.estimate import estimate
from monetization.tenancy.context import current_tenant_id, tenant_context
from monetization.users.models import Membership
from quotes import selectors, services
from quotes.models import OrderForm, QuoteVersion, SigningLink
from quotes.ports import signature_method
from quotes.web.forms import DeclineForm, SignForm

READS_A_MINUTE = 120
ATTEMPTS_A_MINUTE = 12

PublicView = Callable[..., HttpResponseBase]


class _CsrfWithoutOrigin(CsrfViewMiddleware):
    """Check the CSRF token of a page that sends no referrer.

    Under ``Referrer-Policy: no-referrer`` browsers send ``Origin: null`` even to the same
    site, which Django refuses before it looks at the token.
    """

    def _origin_verified(self, request: HttpRequest) -> bool:
        verified: bool = super()._origin_verified(request)  # type: ignore[misc] # not in stubs
        return verified or request.META.get("HTTP_ORIGIN") == "null"

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return sealed(render(request, "quotes/sign/stale.html", status=403))


csrf_checked = decorator_from_middleware(_CsrfWithoutOrigin)


def signer_page(view: Callable[..., HttpResponse]) -> PublicView:
    """Bind the tenant a link belongs to and hand the view its open link.

    Every link that cannot be used gets the same page: unknown, expired, withdrawn, malformed.
    """

    @wraps(view)
    def opened(request: HttpRequest, token: str) -> HttpResponse:
        if is_too_fast(request):
            return sealed(render(request, "quotes/sign/busy.html", status=429))
        tenant_id = services.tenant_of_token(token)
        if tenant_id is None:
            return gone(request)
        with tenant_context(tenant_id, actor="signer"):
            try:
                link = services.valid_link(token=token, now=timezone.now())
            except services.SigningLinkInvalid:
                return gone(request)
            with tenant_context(tenant_id, actor=f"{link.signer_email} (signer)"):
                return sealed(view(request, token, link))

    return csrf_exempt(csrf_checked(opened))


def gone(request: HttpRequest) -> HttpResponse:
    return sealed(render(request, "quotes/sign/gone.html", status=404))


def sealed(response: HttpResponse) -> HttpResponse:
    """Keep the secret address out of referrers, caches, search engines and our log."""
    response._has_been_logged = True  # type: ignore[attr-defined] # a 4xx is logged with its path
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    add_never_cache_headers(response)
    return response


def client_address(request: HttpRequest) -> str | None:
    """Return the address the request came from.

    Forwarding headers count only behind ``TRUSTED_PROXY_COUNT`` proxies of ours: anybody can
    write the rest of them.
    """
    address = request.META.get("REMOTE_ADDR", "")
    proxies = settings.TRUSTED_PROXY_COUNT
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    if proxies and len(forwarded) >= proxies:
        address = forwarded[-proxies].strip()
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


def is_too_fast(request: HttpRequest) -> bool:
    kind, limit = (
        ("post", ATTEMPTS_A_MINUTE) if request.method == "POST" else ("get", READS_A_MINUTE)
    )
    minute = int(timezone.now().timestamp() // 60)
    key = f"sign/{kind}/{client_address(request)}/{minute}"
    cache.add(key, 0, timeout=120)
    return cache.incr(key) > limit


@signer_page
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Show the order form to its signer; a POST signs it."""
    now = timezone.now()
    if link.version.status == QuoteVersion.Status.ACCEPTED:
        if request.method == "POST":
            return redirect("signing:page", token)
        return _signed_page(request, token, link)
    if request.method != "POST":
        if request.method == "GET" and not _is_one_of_us(request):
            services.record_view(link_id=link.id, now=now)
        form = SignForm(initial={"name": link.signer_name, "email": link.signer_email})
        return _page(request, token, link, form)
    form = SignForm(request.POST)
    if not form.is_valid():
        return _page(request, token, link, form, status=422)
    try:
        services.sign_version(
            token=token,
            name=form.cleaned_data["name"],
            email=form.cleaned_data["email"],
            title=form.cleaned_data["title"],
            consent=form.cleaned_data["consent"],
            ip_address=client_address(request),
            user_agent=request.headers.get("User-Agent", ""),
            now=now,
        )
    except services.SigningLinkInvalid:  # withdrawn while they were reading
        return gone(request)
    except Refusal as refusal:
        return _page(request, token, link, form, status=409, refusal=str(refusal))
    return redirect("signing:page", token)


def _is_one_of_us(request: HttpRequest) -> bool:
    """Say whether the seller's own people look, which is not the signer's reading."""
    return (
        request.user.is_authenticated
        and Membership.objects.filter(user=request.user, tenant_id=current_tenant_id()).exists()
    )


def _page(
    request: HttpRequest,
    token: str,
    link: SigningLink,
    form: SignForm,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    context = {"token": token, "link": link, "form": form, "consent": services.CONSENT}
    context.setdefault("decline", DeclineForm())
    method = signature_method(link.version.signature_method)
    if method is not None and method.page_name:
        context |= {"method": method, "signs_at": reverse(method.page_name, args=[token])}
    return render(
        request, "quotes/sign/page.html", {**_shown(link), **context, **extra}, status=status
    )


def _shown(link: SigningLink) -> dict[str, Any]:
    terms = selectors.terms_of(link.version)
    return {
        "version": link.version,
        "quote": link.version.quote,
        "terms": terms,
        "priced": estimate(terms),
    }


def _signed_page(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    form = OrderForm.objects.get(version_id=link.version_id)
    context = {**_shown(link), "token": token, "order_form": form}
    return render(request, "quotes/sign/signed.html", context)


@signer_page
@require_POST
def decline(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Record that the customer declines, with their reason."""
    if link.version.status == QuoteVersion.Status.ACCEPTED:
        return redirect("signing:page", token)
    form = DeclineForm(request.POST)
    if not form.is_valid():
        sign = SignForm(initial={"name": link.signer_name, "email": link.signer_email})
        return _page(request, token, link, sign, status=422, decline=form)
    services.decline_version(token=token, reason=form.cleaned_data["reason"], now=timezone.now())
    return render(request, "quotes/sign/declined.html", {"quote": link.version.quote})


@signer_page
@require_http_methods(["GET", "HEAD"])
def document(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Download the order form: the signed copy once there is one."""
    found = link.version.document
    if link.version.status == QuoteVersion.Status.ACCEPTED:
        signed = OrderForm.objects.select_related("signed_document").get(version_id=link.version_id)
        found = signed.signed_document or found
    return file_response(bytes(found.content), found.filename, found.content_type)

"""The signer's page: read, sign or decline. Works without any script and without an account."""

import ipaddress
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.signing import BadSignature, TimestampSigner
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
from quotes.models import OrderForm, QuoteVersion, Signer, SigningLink
from quotes.ports import signature_method
from quotes.services.options import may_choose, options_of
from quotes.web.forms import DeclineForm, QuestionForm, ReassignForm, SignForm

CODE_HOLDS = 3600  # seconds
_SIGNED = TimestampSigner(salt="signing-code")
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


def signer_page(view: Callable[..., HttpResponse], *, before_code: bool = False) -> PublicView:
    """Bind the tenant a link belongs to and hand the view its open link.

    Every link that cannot be used gets the same page: unknown, expired, withdrawn, malformed.

    :param before_code: open also to who has not shown the code by mail yet.
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
                if link.version.asks_email_code and not (before_code or has_code(request, link)):
                    return sealed(ask_code(request, token, link))
                return sealed(view(request, token, link))

    return csrf_exempt(csrf_checked(opened))


def ask_code(request: HttpRequest, token: str, link: SigningLink, **extra: Any) -> HttpResponse:
    """Show the way to a code by mail, and nothing of the order form."""
    context = {"token": token, "link": link, **_named(link), **extra}
    return render(
        request, "quotes/sign/code.html", context, status=422 if "error" in extra else 200
    )


def has_code(request: HttpRequest, link: SigningLink) -> bool:
    """Say whether this browser has shown the code of this link within the hour."""
    cookie = request.COOKIES.get(code_cookie(link), "")
    try:
        return bool(_SIGNED.unsign(cookie, max_age=CODE_HOLDS) == str(link.id))
    except BadSignature:
        return False


def code_cookie(link: SigningLink) -> str:
    return f"signing_{link.id.hex[-12:]}"


def code_proof(link: SigningLink) -> str:
    """Return what the cookie holds once the code was right."""
    return _SIGNED.sign(str(link.id))


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
    if is_done(link):
        if request.method == "POST":
            return redirect("signing:page", token)
        return _signed_page(request, token, link)
    if request.method != "POST":
        if request.method == "GET" and not _is_one_of_us(request):
            services.record_view(link_id=link.id, now=now)
        return show_page(request, token, link)
    form = SignForm(request.POST)
    if not form.is_valid():
        return show_page(request, token, link, form=form, status=422)
    try:
        services.sign_version(
            token=token,
            name=form.cleaned_data["name"],
            email=form.cleaned_data["email"],
            title=form.cleaned_data["title"],
            consent=form.cleaned_data["consent"],
            ip_address=client_address(request),
            user_agent=request.headers.get("User-Agent", ""),
            has_email_code=link.version.asks_email_code,
            now=now,
        )
    except services.SigningLinkInvalid:  # withdrawn while they were reading
        return gone(request)
    except Refusal as refusal:
        return show_page(request, token, link, form=form, status=409, refusal=str(refusal))
    return redirect("signing:page", token)


def is_done(link: SigningLink) -> bool:
    """Say whether this signer has nothing left to do: they signed, or everybody has."""
    has_signed = link.signer is not None and link.signer.status == Signer.Status.SIGNED
    return has_signed or link.version.status == QuoteVersion.Status.ACCEPTED


def _is_one_of_us(request: HttpRequest) -> bool:
    """Say whether the seller's own people look, which is not the signer's reading."""
    return (
        request.user.is_authenticated
        and Membership.objects.filter(user=request.user, tenant_id=current_tenant_id()).exists()
    )


def show_page(
    request: HttpRequest,
    token: str,
    link: SigningLink,
    *,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    """Show what there is to read and to do; ``extra`` has the forms that were filled in."""
    context = {
        **_shown(link),
        "token": token,
        "link": link,
        "consent": services.consent_of(link),
        "form": SignForm(initial={"name": link.signer_name, "email": link.signer_email}),
        "decline": DeclineForm(),
        "question": QuestionForm(),
        "reassign": ReassignForm(),
        "comments": selectors.shared_comments(link.version.quote_id),
        "options": _choices(link),
        **extra,
    }
    method = signature_method(link.version.signature_method)
    if method is not None and method.page_name:
        context |= {"method": method, "signs_at": reverse(method.page_name, args=[token])}
    return render(request, "quotes/sign/page.html", context, status=status)


def _choices(link: SigningLink) -> list[dict[str, Any]]:
    """Return what may be chosen, alternatives together, each other option by itself."""
    if not may_choose(link):
        return []
    found: dict[str, dict[str, Any]] = {}
    for option in options_of(link.version):
        group = found.setdefault(option.group, {"name": option.group, "options": []})
        group["options"].append(option)
    return list(found.values())


def _named(link: SigningLink) -> dict[str, Any]:
    return {"version": link.version, "quote": link.version.quote}


def _shown(link: SigningLink) -> dict[str, Any]:
    terms = selectors.terms_of(link.version)
    return {
        **_named(link),
        "terms": terms,
        "priced": estimate(terms),
        "signers": list(link.version.signers.all()),
    }


def _signed_page(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    context = {
        **_shown(link),
        "token": token,
        "link": link,
        "order_form": OrderForm.objects.filter(version_id=link.version_id).first(),
        "evidence": list(link.version.evidence.order_by("sequence")),
    }
    return render(request, "quotes/sign/signed.html", context)


@signer_page
@require_POST
def decline(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Record that a signer declines, with their reason."""
    if is_done(link):
        return redirect("signing:page", token)
    form = DeclineForm(request.POST)
    if not form.is_valid():
        return show_page(request, token, link, status=422, decline=form)
    services.decline_version(token=token, reason=form.cleaned_data["reason"], now=timezone.now())
    return render(request, "quotes/sign/declined.html", _named(link))


@signer_page
@require_http_methods(["GET", "HEAD"])
def document(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Download the order form: the signed copy once there is one."""
    found = link.version.document
    if link.version.status == QuoteVersion.Status.ACCEPTED:
        signed = OrderForm.objects.select_related("signed_document").get(version_id=link.version_id)
        found = signed.signed_document or found
    return file_response(bytes(found.content), found.filename, found.content_type)

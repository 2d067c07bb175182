"""One quote: its document, versions, evidence, files and history."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header

from monetization.customers.references import external_ids
from monetization.documents.models import Document
from monetization.documents.services import letterhead, render_pdf
from monetization.interface.access import member_required
from monetization.interface.htmx import refused
from monetization.kernel.errors import Refusal
from monetization.pricing.estimate import estimate
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms, terms_hash
from monetization.users.permissions import TenantRequest
from quotes import selectors
from quotes.domain.comparison import compare_versions
from quotes.domain.differences import money_rows, named_changes
from quotes.models import OrderForm, QuoteReference, QuoteVersion
from quotes.ports import signature_method
from quotes.services.approvals import needs_of
from quotes.web.actions import SHOWN_ONCE
from quotes.web.found import latest_or_404, version_or_404


@member_required("quotes:read")
def quote_detail(request: TenantRequest, quote_id: UUID) -> HttpResponse:
    """Show the quote as the customer sees its latest version, and everything we know of it."""
    version = latest_or_404(quote_id)
    context: dict[str, Any] = {
        "version": version,
        "quote": version.quote,
        "versions": list(
            QuoteVersion.objects.filter(quote_id=quote_id)
            .select_related("quote__customer", "legal_entity")
            .order_by("-number")
        ),
        "order_form": OrderForm.objects.filter(version=version).first(),
        "external_ids": external_ids(QuoteReference, quote_id),
        "history": selectors.history_of(quote_id),
        "has_link": _has_link(version),
        "signing_address": _shown_once(request, version),
        "can_write": request.principal.may("quotes:write"),
        "can_schedule": request.principal.may("schedules:write"),
    }
    try:
        terms = selectors.terms_of(version)
        totals = selectors.totals_of(terms)
        context |= {"terms": terms, "totals": totals, "priced": totals.priced}
    except PriceError as error:
        context["incomplete"] = str(error)
    context |= _comparison(request, context["versions"])
    context |= _agreeing(version, context.get("terms"))
    return render(request, "quotes/detail.html", context)


def _has_link(version: QuoteVersion) -> bool:
    method = signature_method(version.signature_method)
    return method is None or not method.invites_signer


def _agreeing(version: QuoteVersion, terms: OrderTerms | None) -> dict[str, Any]:
    """Return who has to approve and to sign, who has, and what was said."""
    is_draft = version.status in (QuoteVersion.Status.DRAFT, QuoteVersion.Status.APPROVED)
    needs = needs_of(version, terms, timezone.now()) if is_draft and terms else []
    return {
        "needs": needs,
        "is_approval_missing": any(need.agreement is None for need in needs),
        "steps": list(version.approvals.order_by("step", "requested_at")),
        "signers": list(version.signers.all()),
        "evidence": list(version.evidence.order_by("sequence")),
        "comments": list(version.quote.comments.order_by("id")),
    }


def _shown_once(request: TenantRequest, version: QuoteVersion) -> str | None:
    """Return the signing address once, right after sending; only its hash is stored."""
    kept = request.session.pop(SHOWN_ONCE, None)
    return kept["address"] if kept and kept["version"] == str(version.id) else None


def _comparison(request: TenantRequest, versions: list[QuoteVersion]) -> dict[str, Any]:
    """Compare the two versions the address names, by default the last two."""
    if len(versions) < 2:
        return {}
    by_number = {str(version.number): version for version in versions}
    after = by_number.get(request.GET.get("to", ""), versions[0])
    before = by_number.get(request.GET.get("from", ""), versions[1])
    found: dict[str, Any] = {"before": before, "after": after, "changes": None}
    try:
        facts = [selectors.version_facts(one) for one in (before, after)]
        changes = compare_versions(*facts)
        totals = [selectors.totals_of(one.terms) for one in facts]
    except PriceError:
        return found  # one of the two has no complete terms
    money = [row for row in money_rows(*totals) if not row.is_same]
    return found | {"changes": changes, "named": named_changes(changes), "money": money}


@member_required("quotes:read")
def document(request: TenantRequest, quote_id: UUID, number: int, kind: str) -> HttpResponse:
    """Download a version's file: the draft as it would be sent, what was sent, what was signed."""
    version = version_or_404(quote_id, number)
    if kind == "preview" and version.terms is None:
        return _preview(request, version)
    stored: Document | None = None
    if kind == "sent":
        stored = version.document
    elif kind == "signed":
        signed = OrderForm.objects.filter(version=version).first()
        stored = signed.signed_document if signed else None
    if stored is None:
        raise Http404
    return _file(bytes(stored.content), stored.filename, stored.content_type)


def _preview(request: TenantRequest, version: QuoteVersion) -> HttpResponse:
    try:
        terms = selectors.terms_to_sign(version)
        pdf = render_pdf(
            "documents/order_form.html",
            {
                "version": version,
                "quote": version.quote,
                "paper": letterhead(version.legal_entity_id),
                "terms": terms,
                "priced": estimate(terms),
                "terms_sha256": terms_hash(terms),
                "is_preview": True,
            },
        )
    except (Refusal, PriceError) as error:
        return refused(request, Refusal(str(error)), f"/quotes/{version.quote_id}/")
    name = f"{version.quote.number}-v{version.number}-draft.pdf"
    return _file(pdf, name, "application/pdf")


def _file(content: bytes, filename: str, content_type: str) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=filename) or ""
    headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
    return HttpResponse(content, content_type=content_type, headers=headers)

"""The quote builder: terms on the left, the customer's document on the right.

Every change posts the whole form. The server saves what it understands and answers with the
document and its totals; what it does not understand stays in the form with a message at the
field. Without scripts the same buttons post the same form and get the same page.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from monetization.catalog.models import Product
from monetization.interface.access import member_required
from monetization.interface.htmx import alert, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.prices import PriceError
from monetization.pricing.terms import OrderTerms
from quotes import selectors, services
from quotes.domain.totals import QuoteTotals
from quotes.models import QuoteVersion
from quotes.services.undoing import redo_draft, undo_draft, ways_of
from quotes.web.builder_currency import settle_currency
from quotes.web.builder_draft import (
    BuilderDraft,
    fit_rows,
    line_from_price,
    line_from_product,
    state_of,
)
from quotes.web.builder_forms import RampForm
from quotes.web.draft_state import (
    ActionUnknown,
    DraftState,
    LineState,
    apply_action,
    read_state,
)
from quotes.web.found import latest_or_404
from quotes.web.ramp import apply_ramp

MAX_AMOUNT = 10**15
PREVIEW, PANES = "preview", "panes"


@dataclass(slots=True)
class Outcome:
    """What a draft is worth as it stands, if it can be said."""

    terms: OrderTerms | None = None
    totals: QuoteTotals | None = None
    is_saved: bool = False


@member_required("quotes:write")
def edit(request: HttpRequest, quote_id: UUID) -> HttpResponse:
    """Show the builder; a POST changes the draft."""
    version = latest_or_404(quote_id)
    if version.status != QuoteVersion.Status.DRAFT:
        refusal = services.VersionNotDraft(
            f"version {version.number} is {version.status}; revise the quote to change it"
        )
        if getattr(request, "htmx", False):
            return alert(request, refusal)
        return refused(request, refusal, reverse("quotes:detail", args=[quote_id]))
    if request.method == "POST":
        return _change(request, version)
    draft = BuilderDraft(state_of(version))
    return _page(request, version, draft, _priced(version), RampForm(initial={"years": 3}))


def _change(request: HttpRequest, version: QuoteVersion) -> HttpResponse:
    state = read_state(request.POST.dict())
    action = request.POST.get("do", "save")
    if action in ("undo", "redo"):
        return _go(request, version, state, is_back=action == "undo")
    said = settle_currency(state)
    currency = currency_of(state, version)
    ramp = RampForm(initial=_ramp_as_typed(request))
    focus = ""
    try:
        if action == "ramp":
            ramp = RampForm(request.POST)
            focus = apply_ramp(state, ramp, currency)
        elif action not in ("save", "send", "refresh"):
            focus = apply_action(state, action, _new_line(currency, state, action))
    except ActionUnknown:
        return HttpResponseBadRequest("There is no such button.", content_type="text/plain")
    fit_rows(state)
    draft = BuilderDraft(state)
    outcome = _save(version, draft)
    if getattr(request, "htmx", False):
        if action == "send" and outcome.is_saved:
            response = HttpResponse(status=204)
            response["HX-Redirect"] = reverse("quotes:send", args=[version.quote_id])
            return response
        return _page(request, version, draft, outcome, ramp, focus, said)
    if not outcome.is_saved or ramp.errors or said:
        return _page(request, version, draft, outcome, ramp, focus, said)
    if action == "send":
        return redirect("quotes:send", version.quote_id)
    here = reverse("quotes:builder", args=[version.quote_id])
    return redirect(f"{here}#id_{focus}" if focus else here)


def _go(
    request: HttpRequest, version: QuoteVersion, state: DraftState, *, is_back: bool
) -> HttpResponse:
    """Undo or redo a step. What was typed last and cannot be saved is all that undoing drops."""
    fit_rows(state)
    typed = BuilderDraft(state)
    can_go = not is_back or _save(version, typed).is_saved
    try:
        if can_go:
            go = undo_draft if is_back else redo_draft
            go(version_id=version.id, now=timezone.now())
    except (Refusal, PriceError) as error:
        if getattr(request, "htmx", False):
            return alert(request, Refusal(str(error)))
        here = reverse("quotes:builder", args=[version.quote_id])
        return refused(request, Refusal(str(error)), here)
    if not getattr(request, "htmx", False):
        return redirect("quotes:builder", version.quote_id)
    fresh = selectors.version_for_reading(version.quote_id, version.number)
    outcome = _priced(fresh)
    outcome.is_saved = True
    draft = BuilderDraft(state_of(fresh))
    return _page(request, fresh, draft, outcome, RampForm(initial={"years": 3}))


def _ramp_as_typed(request: HttpRequest) -> dict[str, str]:
    names = RampForm.base_fields
    return {name: request.POST[key] for name in names if (key := f"ramp-{name}") in request.POST}


def _new_line(currency: str, state: DraftState, action: str) -> LineState | None:
    """Return the line that the picker of a phase asks for, if the button adds one."""
    verb, _, place = action.partition(":")
    if verb != "add-line" or not place.isdigit() or int(place) >= len(state.phases):
        return None
    wanted = state.phases[int(place)].values.get("add", "")
    if wanted.startswith("product:"):
        product = Product.objects.filter(
            code=wanted.removeprefix("product:").replace("\x00", ""), is_archived=False
        ).exclude(kind=Product.Kind.USAGE)
        found = product.first()
        return line_from_product(found) if found else None
    for price in selectors.sellable_prices(currency):
        if str(price.id) == wanted:
            return line_from_price(price)
    return None


def currency_of(state: DraftState, version: QuoteVersion) -> str:
    """Return the currency the amounts of a form are in."""
    return state.values.get("priced_in") or version.currency


def _save(version: QuoteVersion, draft: BuilderDraft) -> Outcome:
    """Save a draft that can be priced; note at the field why another cannot."""
    if not draft.found:
        try:
            with transaction.atomic():
                services.save_draft(
                    version_id=version.id, payload=draft.payload(), now=timezone.now()
                )
                fresh = selectors.version_for_reading(version.quote_id, version.number)
                outcome = _price(fresh)
                _fits(outcome)
        except PriceError as error:
            path, colon, message = str(error).partition(": ")
            draft.refuse(path if colon else "", message if colon else str(error))
        else:
            version.refresh_from_db()
            version.quote.refresh_from_db(fields=["title"])
            outcome.is_saved = True
            return outcome
    return _priced(version)


def _price(version: QuoteVersion) -> Outcome:
    terms = selectors.terms_to_sign(version)
    return Outcome(terms, selectors.totals_of(terms))


def _priced(version: QuoteVersion) -> Outcome:
    """Price what is stored; nothing where it cannot be priced."""
    try:
        return _price(version)
    except PriceError:
        return Outcome()


def _fits(outcome: Outcome) -> None:
    """Refuse amounts that no document can hold.

    :raises PriceError: naming the phases.
    """
    totals = outcome.totals
    if totals is not None and max(totals.priced.total, totals.at_list).amount >= MAX_AMOUNT:
        raise PriceError("phases: the total has more than 15 digits before the point")


def _page(
    request: HttpRequest,
    version: QuoteVersion,
    draft: BuilderDraft,
    outcome: Outcome,
    ramp: RampForm,
    focus: str = "",
    said: Sequence[str] = (),
) -> HttpResponse:
    is_htmx = bool(getattr(request, "htmx", False))
    target = request.headers.get("HX-Target", "") if is_htmx else ""
    draft.show_earned(version)
    ways = ways_of(version)
    if draft.found and request.method == "POST":  # undoing goes back to what is saved first
        ways = replace(ways, undo="what is not saved")
    context: dict[str, Any] = {
        "ways": ways,
        "version": version,
        "quote": version.quote,
        "draft": draft,
        "terms": outcome.terms,
        "totals": outcome.totals,
        "priced": outcome.totals.priced if outcome.totals else None,
        "is_saved": outcome.is_saved,
        "missing": _missing(version, outcome),
        "is_posted": request.method == "POST",
        "ramp": ramp,
        "focus": focus,
        "said": said,
        "currency": currency_of(draft.state, version),
    }
    template = {PREVIEW: "quotes/builder/_preview.html", PANES: "quotes/builder/_panes.html"}.get(
        target, "quotes/builder/page.html"
    )
    if target != PREVIEW:
        context |= _pickers(context["currency"])
    has_problems = bool(draft.found or ramp.errors) and request.method == "POST"
    response = render(request, template, context, status=422 if has_problems else 200)
    if outcome.is_saved and target == PREVIEW:
        response["HX-Trigger"] = "draft-saved"  # the parts beside the document load anew
    return response


def _missing(version: QuoteVersion, outcome: Outcome) -> list[services.Missing]:
    """Return what the stored draft lacks before it can be sent."""
    now = timezone.now()
    if outcome.terms is None:
        return services.missing_before_sending(version, now.date())
    return services.needed_before_sending(version, outcome.terms, now)


def _pickers(currency: str) -> dict[str, Any]:
    prices = selectors.sellable_prices(currency)
    products = Product.objects.filter(is_archived=False).exclude(kind=Product.Kind.USAGE)
    return {"prices": prices, "products": list(products.order_by("name"))}

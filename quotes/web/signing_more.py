"""What a signer may do beside signing: ask, hand over, prove their mailbox."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from monetization.kernel.errors import Refusal
from quotes import services
from quotes.models import SigningLink
from quotes.services.comments import ask_question
from quotes.services.email_codes import is_code_right, send_code
from quotes.services.options import OptionsNotOpen, choose_options
from quotes.web.forms import QuestionForm, ReassignForm
from quotes.web.signing import (
    CODE_HOLDS,
    ask_code,
    code_cookie,
    code_proof,
    is_done,
    show_page,
    signer_page,
)


@signer_page
@require_POST
def choose(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Put what the customer chose into the order form, at the same address."""
    chosen = set(request.POST.getlist("option"))
    chosen |= {str(key) for name, key in request.POST.items() if name.startswith("alternative-")}
    try:
        choose_options(token=token, chosen=chosen, now=timezone.now())
    except OptionsNotOpen as refusal:
        return show_page(request, token, link, status=409, not_chosen=str(refusal))
    return redirect(reverse("signing:page", args=[token]))


@signer_page
@require_POST
def ask(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Take a question; it stays on the page with its answer."""
    form = QuestionForm(request.POST)
    if not form.is_valid():
        return show_page(request, token, link, status=422, question=form)
    try:
        ask_question(link=link, text=form.cleaned_data["text"], now=timezone.now())
    except Refusal as refusal:
        form.add_error("text", str(refusal))
        return show_page(request, token, link, status=409, question=form)
    return redirect(reverse("signing:page", args=[token]) + "#questions")


@signer_page
@require_POST
def reassign(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Hand over to a colleague; this link stops working."""
    if is_done(link) or link.signer is None:
        return redirect("signing:page", token)
    form = ReassignForm(request.POST)
    if not form.is_valid():
        return show_page(request, token, link, status=422, reassign=form)
    try:
        services.reassign_signer(
            signer_id=link.signer.id,
            name=form.cleaned_data["new_name"],
            email=form.cleaned_data["new_email"],
            now=timezone.now(),
        )
    except Refusal as refusal:
        form.add_error(None, str(refusal))
        return show_page(request, token, link, status=409, reassign=form)
    context = {"quote": link.version.quote, "to": form.cleaned_data["new_name"]}
    return render(request, "quotes/sign/handed_over.html", context)


def _code(request: HttpRequest, token: str, link: SigningLink) -> HttpResponse:
    """Mail a code, or take one; a right one opens the page for an hour in this browser."""
    if "code" not in request.POST:
        send_code(link=link, now=timezone.now())
        return ask_code(request, token, link, is_mailed=True)
    if not is_code_right(link=link, code=request.POST["code"][:20], now=timezone.now()):
        error = "This code is not right, or not valid any more. Ask for a new one."
        return ask_code(request, token, link, is_mailed=True, error=error)
    answer = redirect("signing:page", token)
    answer.set_cookie(
        code_cookie(link),
        code_proof(link),
        max_age=CODE_HOLDS,
        path=reverse("signing:page", args=[token]),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure(),
    )
    return answer


code = signer_page(require_POST(_code), before_code=True)

"""The outbox: what was mailed to whom, what failed, and what nobody knows."""

import re
from typing import Any
from uuid import UUID

from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from monetization.interface.access import member_required
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done
from monetization.mail import services
from monetization.mail.models import OutgoingMail
from monetization.users.permissions import TenantRequest

PER_PAGE = 50
_LINK = re.compile(r"https?://\S+")
# Links in these mails act for whoever holds them: only who may do as much sees them.
_LINKS_NEED = {"user": "members:write", "quote": "quotes:write"}
_PAGES = {"invoice": "billing:invoice-detail", "quote": "quotes:detail"}


class OutboxFilterForm(PageForm):
    status = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any state"), *OutgoingMail.Status.choices]
    )
    q = forms.CharField(label="Recipient or subject", required=False, max_length=200)


@require_safe
@member_required("mail:read")
def outbox(request: TenantRequest) -> HttpResponse:
    """List mail, newest first."""
    form = OutboxFilterForm(request.GET)
    form.is_valid()
    rows = OutgoingMail.objects.defer("text", "html").order_by("-id")
    if form.cleaned_data.get("status"):
        rows = rows.filter(status=form.cleaned_data["status"])
    if form.cleaned_data.get("q"):
        text = form.cleaned_data["q"]
        rows = rows.filter(Q(to__icontains=text) | Q(subject__icontains=text))
    counts = dict(OutgoingMail.objects.order_by().values_list("status").annotate(Count("id")))
    context = {
        "form": form,
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "counts": counts,
        "may_write": request.principal.may("mail:write"),
    }
    return render(request, "mail/outbox.html", context)


@require_safe
@member_required("mail:read")
def mail_detail(request: TenantRequest, mail_id: UUID) -> HttpResponse:
    """Show one mail with its text; links that act for their holder only to who may act so."""
    mail = get_object_or_404(
        OutgoingMail.objects.select_related("attachment").defer("attachment__content"), id=mail_id
    )
    principal = request.principal
    text, hidden = mail.text, False
    needed = _LINKS_NEED.get(mail.subject_ref.partition("/")[0])
    if needed and not principal.may(needed):
        text, found = _LINK.subn("[link hidden]", text)
        hidden = bool(found)
    more = mail.more_attachments.select_related("document").defer("document__content")
    first = [mail.attachment] if mail.attachment else []
    files = [*first, *(each.document for each in more.order_by("position"))]
    context = {
        "mail": mail,
        "files": [(file.filename, _reverse("documents:download", file.id)) for file in files],
        "text": text,
        "links_hidden": hidden,
        "about": _about(mail),
        "may_write": principal.may("mail:write"),
    }
    return render(request, "mail/mail.html", context)


def _about(mail: OutgoingMail) -> str:
    kind, _, row_id = mail.subject_ref.partition("/")
    return _reverse(_PAGES[kind], row_id) if kind in _PAGES else ""


def _reverse(name: str, row_id: Any) -> str:
    try:
        return reverse(name, args=[row_id]) if row_id else ""
    except NoReverseMatch:
        return ""


@require_POST
@member_required("mail:read", write="mail:write")
def retry(request: TenantRequest, mail_id: UUID) -> HttpResponse:
    """Send a mail again because a person says so."""
    mail = get_object_or_404(OutgoingMail, id=mail_id)
    due = services.retry_mail(mail_id=mail.id, now=timezone.now())
    says = f"The mail to {mail.to} is sent again within seconds."
    return done(
        request,
        says if due else f"The mail to {mail.to} needs no other attempt.",
        reverse("outbox-mail", args=[mail.id]),
    )


@require_POST
@member_required("mail:read", write="mail:write")
def arrived(request: TenantRequest, mail_id: UUID) -> HttpResponse:
    """Settle a mail of unknown outcome: the recipient has it."""
    mail = get_object_or_404(OutgoingMail, id=mail_id)
    settled = services.confirm_arrival(mail_id=mail.id, now=timezone.now())
    return done(
        request,
        f"Noted: {mail.to} has it." if settled else "There was nothing to settle.",
        reverse("outbox-mail", args=[mail.id]),
    )


@require_POST
@member_required("mail:read", write="mail:write")
def retry_all(request: TenantRequest) -> HttpResponse:
    """Send every failed mail again; those of unknown outcome are decided one by one."""
    count = services.retry_failed_mail(now=timezone.now())
    return done(
        request,
        f"{count} mail{' is' if count == 1 else 's are'} sent again within seconds."
        if count
        else "No mail had failed.",
        reverse("outbox"),
    )

"""Settings, Documents: templates of legal entities, mail texts, with a preview beside the form."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.domain.mail_texts import FIELDS, KINDS, checked
from billing.models import MailText
from billing.services import samples
from billing.services.mail_texts import set_mail_text, text_of
from billing.services.numbering import sequence_of
from billing.services.paper import recipient_of
from billing.services.templates import (
    ENTITY_FIELDS,
    RECIPIENT_FIELDS,
    SERIES,
    TEMPLATE_FIELDS,
    change_documents,
    change_logo,
    change_recipient,
    check_template,
)
from billing.web.documents import pdf_response
from billing.web.paper_forms import MailTextForm, RecipientForm, TemplateForm
from monetization.customers.models import Customer
from monetization.documents.logos import LARGEST_FILE, checked_logo
from monetization.documents.models import Document, DocumentTemplate
from monetization.documents.services import PdfTooLarge, PdfUnavailable, render_pdf, template_of
from monetization.interface.access import member_required
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.tenancy.models import LegalEntity
from monetization.users.permissions import TenantRequest

SHOWN = {"invoice": "Invoice", "credit_note": "Credit note", "statement": "Statement"}


@require_safe
@member_required("settings:read")
def document_settings(request: TenantRequest) -> HttpResponse:
    """List the legal entities with how their documents look; go to it if there is one."""
    entities = list(LegalEntity.objects.order_by("-is_default", "name"))
    if len(entities) == 1:
        return redirect("billing:document-template", entities[0].id)
    templates = {
        row.legal_entity_id: row for row in DocumentTemplate.objects.select_related("logo")
    }
    rows = [(each, templates.get(each.id) or DocumentTemplate()) for each in entities]
    return render(request, "billing/document_settings.html", {"tab": "documents", "rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="settings:write")
def document_template(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Show and change how a legal entity's documents look, with a sample beside it."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    template = template_of(entity.id)
    if request.method == "POST":
        form = TemplateForm(request.POST, request.FILES)
        if form.is_valid() and _save(request, entity, form):
            to = reverse("billing:document-template", args=[entity.id])
            return done(request, f"Saved. The next documents of {entity.name} look so.", to)
        template = _tried(entity, form) or template
    else:
        form = TemplateForm(initial=_initial(entity, template))
    kind = _kind(request)
    return render(
        request,
        "billing/document_template.html",
        {
            "tab": "documents",
            "entity": entity,
            "template": template,
            "form": form,
            "may_write": request.principal.may("settings:write"),
            "kinds": SHOWN,
            "kind": kind,
            "preview": samples.sample_html(kind, entity, template),
            "next_number": samples.sample_invoice(entity).number,
        },
        status=422 if form.errors else 200,
    )


def _save(request: TenantRequest, entity: LegalEntity, form: TemplateForm) -> bool:
    now, picture = timezone.now(), form.cleaned_data["logo"]
    try:
        change_documents(
            legal_entity_id=entity.id, values=form.values(), now=now, numbering=form.numbering()
        )
        if picture is not None:
            content = picture.read(LARGEST_FILE + 1)
            change_logo(legal_entity_id=entity.id, content=content, now=now)
        elif request.POST.get("remove_logo") == "on":
            change_logo(legal_entity_id=entity.id, content=None, now=now)
    except Refusal as refusal:
        form.refuse(refusal)
        return False
    return True


def _initial(entity: LegalEntity, template: DocumentTemplate) -> dict[str, Any]:
    found = {name: getattr(template, name) for name in TEMPLATE_FIELDS}
    found |= {name: getattr(entity, name) for name in ENTITY_FIELDS}
    for series in SERIES:
        sequence = sequence_of(entity.id, series)
        found |= {f"{series}_prefix": sequence.prefix, f"{series}_digits": sequence.digits}
    return found


def _tried(entity: LegalEntity, form: TemplateForm) -> DocumentTemplate | None:
    """Return the template a form describes, unsaved; None if it is not a possible one."""
    template = template_of(entity.id)
    form.is_valid()
    for name, value in form.values().items():
        setattr(entity if name in ENTITY_FIELDS else template, name, value)
    template.iban = template.iban.replace(" ", "").upper()
    try:
        check_template(template)
    except Refusal:
        return None
    return template


def _kind(request: TenantRequest) -> str:
    chosen = request.POST.get("kind") or request.GET.get("kind", "")
    return chosen if chosen in SHOWN else "invoice"


@require_POST
@member_required("settings:read")
def document_preview(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Show a sample as the form describes it; nothing is saved."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    form = TemplateForm(request.POST, request.FILES)
    template, kind = _tried(entity, form), _kind(request)
    number = ""
    if form.is_valid():
        prefix, digits = form.numbering()["invoice"]
        number = samples.next_sample_number(entity, "invoice", prefix, digits)
    context: dict[str, Any] = {"kind": kind, "kinds": SHOWN, "entity": entity}
    if template is None:
        context["problem"] = "Something on the left cannot be; saving says what."
    else:
        _try_logo(request, template)
        context["preview"] = samples.sample_html(kind, entity, template, number)
    return render(request, "billing/_document_preview.html", context)


def _try_logo(request: TenantRequest, template: DocumentTemplate) -> None:
    picture = request.FILES.get("logo")
    if picture is not None:
        with suppress(Refusal):  # saving says what is wrong with it
            logo = checked_logo(picture.read(LARGEST_FILE + 1))
            template.logo = Document(content=logo.content, content_type=logo.content_type)
    elif request.POST.get("remove_logo") == "on":
        template.logo = None


@require_safe
@member_required("settings:read")
def document_sample(request: TenantRequest, entity_id: UUID) -> HttpResponse:
    """Show the PDF of a made-up document by the saved template."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    kind = _kind(request)
    try:
        content = render_pdf(*samples.sample(kind, entity, template_of(entity.id)))
    except (PdfUnavailable, PdfTooLarge) as refusal:
        to = reverse("billing:document-template", args=[entity.id])
        return refused(request, refusal, to)
    return pdf_response(content, f"sample-{kind}.pdf")


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("settings:read", write="settings:write")
def mail_texts(request: TenantRequest, entity_id: UUID, kind: str) -> HttpResponse:
    """Show and change what a legal entity's mails of one kind say."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    if kind not in KINDS:
        raise Http404
    template = template_of(entity.id)
    subject, body, is_own = text_of(entity.id, kind, template.language)
    to = reverse("billing:mail-texts", args=[entity.id, kind])
    if request.method == "POST":
        form = MailTextForm(request.POST)
        is_reset = "reset" in request.POST
        if form.is_valid():
            subject, body = form.cleaned_data["subject"], form.cleaned_data["body"]
            try:
                set_mail_text(
                    legal_entity_id=entity.id,
                    kind=kind,
                    subject="" if is_reset else subject,
                    body="" if is_reset else body,
                )
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                words = "Our words again." if is_reset else "Saved. The next mails say so."
                return done(request, words, to)
    else:
        form = MailTextForm(initial={"subject": subject, "body": body})
    own = set(MailText.objects.filter(legal_entity=entity).values_list("kind", flat=True))
    return render(
        request,
        "billing/mail_texts.html",
        {
            "tab": "documents",
            "entity": entity,
            "kind": kind,
            "kinds": [(key, each.label, key in own) for key, each in KINDS.items()],
            "form": form,
            "is_own": is_own,
            "fields": [(n, FIELDS[n]) for n in FIELDS if n in KINDS[kind].fields],
            "may_write": request.principal.may("settings:write"),
            **_written(kind, entity, template, subject, body),
        },
        status=422 if form.errors else 200,
    )


@require_POST
@member_required("settings:read")
def mail_preview(request: TenantRequest, entity_id: UUID, kind: str) -> HttpResponse:
    """Show a sample mail with the words of the form; nothing is saved."""
    entity = get_object_or_404(LegalEntity, id=entity_id)
    if kind not in KINDS:
        raise Http404
    texts = request.POST.get("subject", ""), request.POST.get("body", "")
    context = _written(kind, entity, template_of(entity.id), *texts)
    return render(request, "billing/_mail_preview.html", context)


def _written(
    kind: str, entity: LegalEntity, template: DocumentTemplate, subject: str, body: str
) -> dict[str, Any]:
    try:
        subject, body = checked(kind, subject, body)
    except Refusal as refusal:
        return {"problem": str(refusal)}
    return {"mail": samples.sample_mail(kind, entity, template, subject, body)}


@require_http_methods(["GET", "HEAD", "POST"])
@member_required("invoices:read", write="invoices:write")
def recipient(request: TenantRequest, customer_id: UUID) -> HttpResponse:
    """Set what one customer's documents need: language, reference, electronic address."""
    customer = get_object_or_404(Customer, id=customer_id)
    back = reverse("billing:statement", args=[customer.id])
    row = recipient_of(customer)
    if request.method == "POST":
        form = RecipientForm(request.POST)
        if form.is_valid():
            try:
                change_recipient(customer_id=customer.id, values=form.values())
            except Refusal as refusal:
                form.refuse(refusal)
            else:
                return done(request, f"Documents for {customer.name} saved.", back)
    else:
        form = RecipientForm(initial={name: getattr(row, name) for name in RECIPIENT_FIELDS})
    return render(
        request,
        "billing/desk_form.html",
        {
            "form": form,
            "title": f"Documents for {customer.name}",
            "verb": "Save",
            "back": back,
            "customer": customer,
        },
        status=422 if form.errors else 200,
    )

"""Quote templates on screen: kept from a quote, renamed, deleted, started from."""

from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from monetization.interface.access import member_required
from monetization.interface.forms import PageForm
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest
from quotes.models import QuoteTemplate
from quotes.services import templates
from quotes.web.found import latest_or_404


class TemplateForm(PageForm):
    """What a template is called."""

    name = forms.CharField(
        max_length=120,
        label="Template's name",
        help_text="A name that is taken is replaced by what this quote offers now.",
    )


@member_required("quotes:read")
def template_list(request: TenantRequest) -> HttpResponse:
    """List the templates by name, with what each offers in short."""
    rows = [
        {"template": one, "phases": one.payload["phases"], "products": _products(one)}
        for one in QuoteTemplate.objects.order_by("name")
    ]
    may_write = request.principal.may("quotes:write")
    return render(request, "quotes/templates.html", {"rows": rows, "may_write": may_write})


def _products(template: QuoteTemplate) -> list[str]:
    lines = (line for phase in template.payload["phases"] for line in phase["lines"])
    return list(dict.fromkeys(line["product"] for line in lines))


@member_required("quotes:write")
def template_save(request: TenantRequest, quote_id: UUID) -> HttpResponse:
    """Keep what a quote offers as a template."""
    version = latest_or_404(quote_id)
    form = TemplateForm(
        request.POST if request.method == "POST" else None, initial={"name": version.quote.title}
    )
    if request.method == "POST" and form.is_valid():
        try:
            kept = templates.save_template(quote_id=quote_id, name=form.cleaned_data["name"])
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, f"{kept.name} is kept.", reverse("quotes:templates"))
    context = {"form": form, "version": version, "quote": version.quote}
    status = 422 if form.errors else 200
    return render(request, "quotes/template_save.html", context, status=status)


@require_POST
@member_required("quotes:write")
def template_rename(request: TenantRequest, template_id: UUID) -> HttpResponse:
    """Call a template otherwise."""
    get_object_or_404(QuoteTemplate, id=template_id)
    here = reverse("quotes:templates")
    try:
        renamed = templates.rename_template(
            template_id=template_id, name=request.POST.get("name", "")
        )
    except Refusal as refusal:
        return refused(request, refusal, here)
    return done(request, f"It is called {renamed.name} now.", here)


@require_POST
@member_required("quotes:write")
def template_delete(request: TenantRequest, template_id: UUID) -> HttpResponse:
    """Forget a template; quotes made from it stay."""
    template = get_object_or_404(QuoteTemplate, id=template_id)
    templates.delete_template(template_id=template_id)
    return done(request, f"{template.name} is deleted.", reverse("quotes:templates"))

"""Discounts for longer commitments: listed, added, written anew, deleted."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from monetization.catalog import term_discounts
from monetization.catalog.models import Product, TermDiscount
from monetization.interface.access import member_required
from monetization.interface.forms import ExactNumberField, PageForm
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.users.permissions import TenantRequest


class TermDiscountForm(PageForm):
    """From how many months, how much, on what."""

    name = forms.CharField(
        max_length=120, help_text="Stands on the order form: Two-year commitment."
    )
    min_months = forms.IntegerField(
        min_value=1, max_value=240, label="Term of at least, months", help_text="Without trials."
    )
    percent = ExactNumberField(whole=3, places=6, label="Discount, %")
    products = forms.MultipleChoiceField(
        required=False,
        help_text="None: every list price that recurs. Chosen ones: also what is billed once.",
    )
    currency = forms.CharField(
        required=False, max_length=3, help_text="Only for quotes in it; empty: all."
    )
    is_active = forms.BooleanField(required=False, initial=True, label="In force")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        products: Any = self.fields["products"]
        rows = Product.objects.filter(is_archived=False).order_by("name")
        products.choices = list(rows.values_list("code", "name"))


@require_GET
@member_required("catalog:read")
def rule_list(request: TenantRequest) -> HttpResponse:
    """List the rules, the shortest commitment first."""
    names = dict(Product.objects.values_list("code", "name"))
    rules = [
        (rule, [names.get(code, code) for code in rule.products])
        for rule in TermDiscount.objects.order_by("-is_active", "min_months", "name")
    ]
    context = {"rules": rules, "may_write": request.principal.may("catalog:write")}
    return render(request, "catalog/term_discounts.html", context)


@member_required("catalog:write")
def rule_create(request: TenantRequest) -> HttpResponse:
    """Add a rule."""
    return _edit(request, None)


@member_required("catalog:write")
def rule_edit(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Write a rule anew; signed terms keep what they were signed with."""
    return _edit(request, get_object_or_404(TermDiscount, id=rule_id))


@require_POST
@member_required("catalog:write")
def rule_delete(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Forget a rule."""
    rule = get_object_or_404(TermDiscount, id=rule_id)
    term_discounts.delete_term_discount(rule_id=rule.id)
    return done(request, f"{rule.name} is deleted.", reverse("catalog:term-discounts"))


def _edit(request: TenantRequest, rule: TermDiscount | None) -> HttpResponse:
    initial = {name: getattr(rule, name) for name in TermDiscountForm.base_fields} if rule else {}
    if rule is not None:
        initial["percent"] = f"{rule.percent.normalize():f}"
    form = TermDiscountForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            saved = term_discounts.save_term_discount(
                values=form.cleaned_data, rule_id=rule.id if rule else None
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, f"{saved.name} is saved.", reverse("catalog:term-discounts"))
    status = 422 if form.errors else 200
    context = {"form": form, "rule": rule}
    return render(request, "catalog/term_discount.html", context, status=status)

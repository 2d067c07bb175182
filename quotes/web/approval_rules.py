"""The approval rules: listed, added, written anew, switched off."""

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from monetization.catalog.models import Product
from monetization.interface.access import member_required
from monetization.interface.forms import ExactNumberField, PageForm
from monetization.interface.htmx import done
from monetization.kernel.errors import Refusal
from monetization.users.models import Role
from monetization.users.permissions import TenantRequest
from quotes.models import ApprovalRule
from quotes.services import approval_rules


class RuleForm(PageForm):
    """When, who, and for how long. Every condition that is filled in must hold."""

    name = forms.CharField(max_length=120, help_text="Approvers read it: Large discount.")
    discount_over = ExactNumberField(
        whole=3,
        places=6,
        required=False,
        label="Discount over, %",
        help_text="Below list, over the term.",
    )
    value_over = ExactNumberField(
        whole=15,
        places=4,
        required=False,
        label="Contract value over",
        help_text="In the quote's currency.",
    )
    margin_below = ExactNumberField(
        whole=3,
        places=6,
        required=False,
        label="Margin below, %",
        help_text="A margin that is not known counts as below.",
    )
    term_over_months = forms.IntegerField(
        required=False, min_value=0, max_value=240, label="Term over, months"
    )
    payment_over_days = forms.IntegerField(
        required=False, min_value=0, max_value=365, label="Payment after more than, days"
    )
    currencies = forms.CharField(required=False, max_length=80, help_text="Codes: EUR, GBP.")
    products = forms.MultipleChoiceField(required=False, help_text="Any of them is sold.")
    has_custom_text = forms.BooleanField(required=False, label="Terms or introduction in own words")
    overrides_term_discount = forms.BooleanField(
        required=False, label="A commitment discount beyond its rule"
    )
    approver_role = forms.ChoiceField(
        required=False,
        label="Anybody of the role",
        choices=[
            ("", "People named below"),
            *((role, role.label) for role in Role if role in approval_rules.APPROVER_ROLES),
        ],
    )
    approver_emails = forms.MultipleChoiceField(
        required=False, label="People", help_text="One of them answers."
    )
    step = forms.IntegerField(
        min_value=1,
        max_value=20,
        initial=1,
        help_text="Rules of the same step are asked side by side, later steps afterwards.",
    )
    valid_days = forms.IntegerField(
        min_value=1, max_value=365, initial=30, label="An approval holds, days"
    )
    is_active = forms.BooleanField(required=False, initial=True, label="In force")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        products: Any = self.fields["products"]
        rows = Product.objects.filter(is_archived=False).order_by("name")
        products.choices = list(rows.values_list("code", "name"))
        people: Any = self.fields["approver_emails"]
        people.choices = [(email, email) for email in approval_rules.approvers()]

    def values(self) -> dict[str, Any]:
        found = dict(self.cleaned_data)
        found["currencies"] = found["currencies"].replace(",", " ").split()
        return found


@member_required("approval-rules:read")
def rule_list(request: TenantRequest) -> HttpResponse:
    """List the rules in the order they are asked."""
    rules = ApprovalRule.objects.order_by("-is_active", "step", "name")
    may = request.principal.may("approval-rules:write")
    return render(request, "quotes/approval_rules.html", {"rules": rules, "may_write": may})


@member_required("approval-rules:read", write="approval-rules:write")
def rule_create(request: TenantRequest) -> HttpResponse:
    """Add a rule."""
    return _edit(request, None)


@member_required("approval-rules:read", write="approval-rules:write")
def rule_edit(request: TenantRequest, rule_id: UUID) -> HttpResponse:
    """Write a rule anew; what was asked already stays as it was."""
    return _edit(request, get_object_or_404(ApprovalRule, id=rule_id))


def _edit(request: TenantRequest, rule: ApprovalRule | None) -> HttpResponse:
    initial = {}
    if rule is not None:
        initial = {name: getattr(rule, name) for name in RuleForm.base_fields}
        initial["currencies"] = ", ".join(rule.currencies)
    form = RuleForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            saved = approval_rules.save_rule(
                values=form.values(), rule_id=rule.id if rule else None
            )
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            return done(request, f"{saved.name} is saved.", reverse("quotes:approval-rules"))
    status = 422 if form.errors else 200
    context = {"form": form, "rule": rule}
    return render(request, "quotes/approval_rule.html", context, status=status)

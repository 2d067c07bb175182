"""The rules that say which quotes need whose agreement, and who stands in for whom."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.kernel.errors import Refusal
from monetization.tenancy.context import current_tenant_id
from monetization.users.models import Membership, Role
from monetization.users.permissions import permissions_of
from quotes.models import ApprovalDeputy, ApprovalRule

APPROVER_ROLES = tuple(role for role in Role if "approvals:write" in permissions_of(role))


class ApprovalRuleInvalid(Refusal):
    """The rule names a field that cannot be as it is."""


_FIELDS = (
    "step",
    "approver_role",
    "approver_emails",
    "discount_over",
    "value_over",
    "margin_below",
    "term_over_months",
    "payment_over_days",
    "currencies",
    "products",
    "has_custom_text",
    "overrides_term_discount",
    "valid_days",
    "is_active",
)


@transaction.atomic
def save_rule(*, values: dict[str, Any], rule_id: UUID | None = None) -> ApprovalRule:
    """Add a rule, or write one anew; requests already made keep the rule as it was asked.

    :param values: the model's fields; those left out keep what they are.
    :raises ApprovalRuleInvalid: naming the field.
    """
    rule = ApprovalRule.objects.select_for_update().get(id=rule_id) if rule_id else ApprovalRule()
    if "name" in values:
        rule.name = str(values["name"]).strip()[:120]
    for name in _FIELDS:
        if name in values:
            setattr(rule, name, values[name])
    rule.approver_emails = _addresses(rule.approver_emails)
    rule.currencies = sorted({str(code).strip().upper() for code in rule.currencies if code})
    rule.products = sorted({str(code).strip() for code in rule.products if code})
    _check(rule)
    rule.save()
    return rule


def _check(rule: ApprovalRule) -> None:
    if not rule.name:
        raise ApprovalRuleInvalid("name: give the rule a name; approvers read it")
    if ApprovalRule.objects.filter(name=rule.name).exclude(id=rule.id).exists():
        raise ApprovalRuleInvalid(f"name: there is a rule {rule.name!r} already")
    if bool(rule.approver_role) == bool(rule.approver_emails):
        raise ApprovalRuleInvalid("approver_role: name a role or people, one of the two")
    if rule.approver_role and rule.approver_role not in APPROVER_ROLES:
        roles = ", ".join(APPROVER_ROLES)
        raise ApprovalRuleInvalid(f"approver_role: must be one that reads quotes: {roles}")
    for name, low, high in (("step", 1, 20), ("valid_days", 1, 365)):
        if not low <= int(getattr(rule, name)) <= high:
            raise ApprovalRuleInvalid(f"{name}: must be from {low} to {high}")
    for name in ("discount_over", "margin_below", "value_over"):
        value: Decimal | None = getattr(rule, name)
        if value is not None and value < 0:
            raise ApprovalRuleInvalid(f"{name}: must not be negative")


def _addresses(emails: Any) -> list[str]:
    """Return addresses of members who may approve, in order, each once."""
    wanted = list(dict.fromkeys(str(email).strip().lower() for email in emails if str(email)))
    for email in wanted:
        if email not in approvers():
            raise ApprovalRuleInvalid(
                f"approver_emails: {email} is no member who may approve quotes"
            )
    return wanted


def approvers(role: str = "") -> list[str]:
    """Return the addresses of the members who may approve, of one role or of all."""
    roles = [role] if role else list(APPROVER_ROLES)
    rows = Membership.objects.filter(
        tenant_id=current_tenant_id(), role__in=roles, user__is_active=True
    ).order_by("user__email")
    return list(rows.values_list("user__email", flat=True))


@transaction.atomic
def add_deputy(
    *, absent_email: str, deputy_email: str, first_day: date, last_day: date
) -> ApprovalDeputy:
    """Let somebody answer for a colleague who is away.

    :raises ApprovalRuleInvalid: naming the field.
    """
    if last_day < first_day:
        raise ApprovalRuleInvalid("last_day: is before the first day")
    if absent_email == deputy_email:
        raise ApprovalRuleInvalid("deputy_email: must be somebody else")
    if deputy_email not in approvers():
        raise ApprovalRuleInvalid("deputy_email: is no member who may approve quotes")
    return ApprovalDeputy.objects.create(
        absent_email=absent_email,
        deputy_email=deputy_email,
        first_day=first_day,
        last_day=last_day,
    )


@transaction.atomic
def end_deputy(*, deputy_id: UUID, absent_email: str) -> None:
    """Take back what one arranged for one's own absence."""
    ApprovalDeputy.objects.filter(id=deputy_id, absent_email=absent_email).delete()

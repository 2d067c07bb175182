"""Make and change rules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from alerts.models import AlertRule, AlertWatch
from metering.models import Meter
from monetization.customers.models import Customer
from monetization.kernel.errors import Refusal
from monetization.kernel.money import MoneyError, minor_unit

MAX_RULES = 200
MAX_EMAILS = 10
_CURRENCY = re.compile(r"[A-Z]{3}")
_ASKED = (
    "metric",
    "meter_id",
    "customer_id",
    "basis",
    "threshold",
    "currency",
    "credit_unit",
    "direction",
)


class AlertRuleInvalid(Refusal):
    """A rule cannot be what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTerms:
    """What a rule says. ``threshold`` is in the meter's unit, in currency, or in percent."""

    name: str
    metric: str
    threshold: Decimal
    meter_id: UUID | None = None
    customer_id: UUID | None = None
    basis: str = "amount"
    currency: str = ""
    credit_unit: str = ""  # of credits: AI credits, a currency, a meter's unit; empty is any
    direction: str = "up"
    emails: Sequence[str] = ()
    is_active: bool = True


@transaction.atomic
def create_rule(terms: RuleTerms, *, now: datetime) -> AlertRule:
    """Make a rule. What has crossed its limit in a running period is told of within seconds.

    :raises AlertRuleInvalid: naming the field.
    """
    values = _checked(terms)
    if AlertRule.objects.filter(is_removed=False).count() >= MAX_RULES:
        raise AlertRuleInvalid(f"name: there are {MAX_RULES} rules already; remove one")
    AlertWatch.objects.update_or_create(defaults={"has_new_rules": True})
    return AlertRule.objects.create(**values, asked_at=now)


@transaction.atomic
def change_rule(*, rule_id: UUID, terms: RuleTerms, now: datetime) -> AlertRule:
    """Change a rule; one that asks something else may alert again in the same period.

    :raises AlertRuleInvalid: naming the field.
    """
    rule = _locked(rule_id)
    values = _checked(terms)
    if any(getattr(rule, name) != values[name] for name in _ASKED):
        rule.revision, rule.asked_at = rule.revision + 1, now
    for name, value in values.items():
        setattr(rule, name, value)
    rule.save()
    AlertWatch.objects.update_or_create(defaults={"has_new_rules": True})
    return rule


@transaction.atomic
def remove_rule(*, rule_id: UUID) -> None:
    """Take a rule away; the alerts it triggered stay."""
    rule = _locked(rule_id)
    rule.is_removed, rule.is_active = True, False
    rule.save()


def terms_of(rule: AlertRule) -> RuleTerms:
    return RuleTerms(**{name: getattr(rule, name) for name in RuleTerms.__dataclass_fields__})


def _locked(rule_id: UUID) -> AlertRule:
    rule: AlertRule = (
        AlertRule.objects.select_for_update(of=("self",)).filter(is_removed=False).get(id=rule_id)
    )
    return rule


def _checked(terms: RuleTerms) -> dict[str, Any]:
    is_money = terms.metric == AlertRule.Metric.SPEND and terms.basis == AlertRule.Basis.AMOUNT
    is_usage = terms.metric == AlertRule.Metric.USAGE
    if not terms.name.strip():
        raise AlertRuleInvalid("name: say what it is about")
    if terms.threshold < 0 or (not terms.threshold and terms.direction == "up"):
        raise AlertRuleInvalid("threshold: must be above zero")
    if is_usage and not Meter.objects.filter(id=terms.meter_id).exists():
        raise AlertRuleInvalid("meter: choose the meter whose usage is watched")
    if terms.customer_id and not Customer.objects.filter(id=terms.customer_id).exists():
        raise AlertRuleInvalid("customer: there is no such customer")
    if is_money:
        _check_currency(terms.currency)
    return {
        "name": terms.name.strip(),
        "metric": terms.metric,
        "meter_id": terms.meter_id if is_usage else None,
        "customer_id": terms.customer_id,
        "basis": terms.basis,
        "threshold": terms.threshold,
        "currency": terms.currency if is_money else "",
        "credit_unit": terms.credit_unit.strip()[:60]
        if terms.metric == AlertRule.Metric.CREDITS
        else "",
        "direction": terms.direction,
        "emails": _emails(terms.emails),
        "is_active": terms.is_active,
    }


def _check_currency(currency: str) -> None:
    if not _CURRENCY.fullmatch(currency):
        raise AlertRuleInvalid("currency: write an ISO 4217 code such as USD or EUR")
    try:
        minor_unit(currency)
    except MoneyError:
        raise AlertRuleInvalid(f"currency: {currency} is not an ISO 4217 code") from None


def _emails(emails: Sequence[str]) -> list[str]:
    found = sorted({email.strip().lower() for email in emails if email.strip()})
    if len(found) > MAX_EMAILS:
        raise AlertRuleInvalid(f"emails: at most {MAX_EMAILS} addresses")
    for email in found:
        try:
            validate_email(email)
        except ValidationError:
            raise AlertRuleInvalid(f"emails: {email} is not an e-mail address") from None
    return found

"""What a longer commitment is worth: rules from a term's months to a discount on list prices."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from monetization.catalog.models import Product, TermDiscount
from monetization.kernel.errors import Refusal

_FIELDS = ("min_months", "percent", "products", "currency", "is_active")


class TermDiscountInvalid(Refusal):
    """A commitment discount cannot be as it is; the message names the field."""


@transaction.atomic
def save_term_discount(*, values: dict[str, Any], rule_id: UUID | None = None) -> TermDiscount:
    """Add a rule, or write one anew. Drafts follow with their next change, signed terms never.

    :param values: the model's fields; those left out keep what they are.
    :raises TermDiscountInvalid: naming the field.
    """
    rule = TermDiscount.objects.select_for_update().get(id=rule_id) if rule_id else TermDiscount()
    if "name" in values:
        rule.name = " ".join(str(values["name"]).split())
    for name in _FIELDS:
        if name in values:
            setattr(rule, name, values[name])
    rule.products = sorted({str(code) for code in rule.products or [] if code})
    rule.currency = (rule.currency or "").strip().upper()
    _check(rule)
    rule.save()
    return rule


def _check(rule: TermDiscount) -> None:
    if not rule.name or len(rule.name) > 120:
        raise TermDiscountInvalid("name: is needed, at most 120 characters; customers read it")
    if TermDiscount.objects.filter(name=rule.name).exclude(id=rule.id).exists():
        raise TermDiscountInvalid(f"name: there is a rule {rule.name!r} already")
    if rule.min_months is None or not 1 <= rule.min_months <= 240:
        raise TermDiscountInvalid("min_months: must be from 1 to 240")
    if rule.percent is None or not 0 < rule.percent <= 100:
        raise TermDiscountInvalid("percent: must be over 0 and at most 100")
    if rule.currency and not (len(rule.currency) == 3 and rule.currency.isalpha()):
        raise TermDiscountInvalid("currency: must be a code of three letters, such as EUR")
    known = set(Product.objects.filter(code__in=rule.products).values_list("code", flat=True))
    for code in rule.products:
        if code not in known:
            raise TermDiscountInvalid(f"products: no product has the code {code!r}")


@transaction.atomic
def delete_term_discount(*, rule_id: UUID) -> None:
    """Forget a rule; what quotes got by it stays until they are changed."""
    TermDiscount.objects.filter(id=rule_id).delete()


def rules_for(*, months: int | None, currency: str) -> Sequence[TermDiscount]:
    """Return the rules a term of so many months earns, the highest discount first.

    :param months: None: open-ended, which commits to nothing.
    """
    if months is None:
        return ()
    rows = TermDiscount.objects.filter(
        is_active=True, min_months__lte=months, currency__in=["", currency]
    )
    return list(rows.order_by("-percent", "-min_months", "name"))


def best_rule(
    rules: Sequence[TermDiscount], *, product: str, frequency: str
) -> TermDiscount | None:
    """Return the rule that takes the most off a product; what is billed once must be named.

    :param rules: as ``rules_for`` orders them.
    """
    for rule in rules:
        if product in rule.products or (not rule.products and frequency != "one_time"):
            return rule
    return None

"""Discounts for longer commitments on the lines of a draft, by the catalog's rules."""

from collections.abc import Iterator
from typing import Any

from monetization.catalog.term_discounts import best_rule, rules_for
from monetization.pricing.prices import PriceError
from quotes.domain.assembly import number
from quotes.models import QuoteLine, QuoteVersion
from quotes.selectors import committed_months

AUTOMATIC = QuoteLine.TermDiscount.AUTOMATIC
OWN = QuoteLine.TermDiscount.OWN


def read_term_discount(row: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the fields of a line that say what its term takes off.

    :raises PriceError: naming the field.
    """
    mode = str(row.get("term_discount_mode") or AUTOMATIC)
    if mode not in QuoteLine.TermDiscount.values:
        modes = ", ".join(QuoteLine.TermDiscount.values)
        raise PriceError(f"{path}.term_discount_mode: must be one of {modes}")
    at = f"{path}.term_discount_percent"
    percent = number(row.get("term_discount_percent"), at) if mode != AUTOMATIC else None
    if percent is not None and percent > 100:
        raise PriceError(f"{at}: must be from 0 to 100")
    return {
        "term_discount_mode": mode,
        "term_discount_percent": percent or 0,
        "term_discount_label": str(row.get("term_discount_label") or "")[:120],
    }


def settle_term_discounts(version: QuoteVersion) -> None:
    """Give every line that follows the rules what the term earns it, with the rule's name."""
    for line, percent, label in _by_rules(version):
        if line.term_discount_mode != AUTOMATIC:
            continue
        if (line.term_discount_percent, line.term_discount_label) != (percent, label):
            line.term_discount_percent, line.term_discount_label = percent, label
            line.save(update_fields=["term_discount_percent", "term_discount_label"])


def _by_rules(version: QuoteVersion) -> Iterator[tuple[QuoteLine, Any, str]]:
    """Yield every line with what the rules take off it: list prices outside trials alone."""
    rules = rules_for(months=committed_months(version), currency=version.currency)
    lines = QuoteLine.objects.filter(phase__version=version).select_related("phase", "product")
    for line in lines.order_by("phase__position", "position"):
        rule = None
        if line.price_version_id is not None and line.phase.kind != "trial":
            rule = best_rule(rules, product=line.product.code, frequency=line.frequency)
        yield line, rule.percent if rule else 0, rule.name if rule else ""


def overrides_of(version: QuoteVersion) -> tuple[str, ...]:
    """Say which lines take more off for their term than the rules do."""
    said = []
    for line, percent, _ in _by_rules(version):
        if line.term_discount_mode == OWN and line.term_discount_percent > percent:
            own, rules = line.term_discount_percent.normalize(), percent and percent.normalize()
            said.append(f"{line.product.name} gets {own:f}% for its term, by the rules {rules:f}%")
    return tuple(dict.fromkeys(said))

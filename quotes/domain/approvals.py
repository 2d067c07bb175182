"""Which quotes need somebody's agreement, why, and how long an agreement holds. Pure."""

import hashlib
import json
from dataclasses import asdict, dataclass
from decimal import Decimal

from monetization.kernel.decimals import plain
from monetization.kernel.money import Money


@dataclass(frozen=True, slots=True)
class QuoteFacts:
    """What approval rules look at."""

    value: Money  # total contract value
    discount: Decimal | None  # percent below list over the term; None without list prices
    margin: Decimal | None  # percent; None where a cost is not known
    months: int | None  # None: open-ended
    payment_days: int
    products: tuple[str, ...]  # codes
    custom_text: str  # introduction and special terms as the customer reads them
    overrides: tuple[str, ...] = ()  # lines that get more for their term than the rules give


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule applies: everything that is filled in must hold; nothing filled in: always."""

    discount_over: Decimal | None = None  # percent
    value_over: Decimal | None = None  # in the quote's currency
    margin_below: Decimal | None = None  # percent
    term_over_months: int | None = None
    payment_over_days: int | None = None
    currencies: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    has_custom_text: bool = False
    overrides_term_discount: bool = False


def reasons(conditions: Conditions, facts: QuoteFacts) -> tuple[str, ...] | None:
    """Return why a rule applies, a sentence per condition; None if it does not.

    A margin that is not known is below every limit: nobody can say it is not.

    >>> facts = QuoteFacts(Money(Decimal(5000), "USD"), Decimal(20), None, 12, 30, ("seats",), "")
    >>> reasons(Conditions(discount_over=Decimal(15)), facts)
    ('The discount is 20%, more than 15%.',)
    >>> reasons(Conditions(discount_over=Decimal(15), term_over_months=12), facts)
    """
    found = [_discount(conditions, facts), _value(conditions, facts), _margin(conditions, facts)]
    found += [_term(conditions, facts), _payment(conditions, facts), _currency(conditions, facts)]
    found += [_products(conditions, facts), _text(conditions, facts)]
    found += [_overrides(conditions, facts)]
    if any(each is False for each in found):
        return None
    said = tuple(each for each in found if isinstance(each, str))
    return said or ("Every quote needs it.",)


# Each answers with a sentence, False if the condition does not hold, None if it is not set.
_Answer = str | bool | None


def _discount(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    limit = conditions.discount_over
    if limit is None:
        return None
    if facts.discount is None or facts.discount <= limit:
        return False
    return f"The discount is {plain(facts.discount)}%, more than {plain(limit)}%."


def _value(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    limit = conditions.value_over
    if limit is None:
        return None
    if facts.value.amount <= limit:
        return False
    code, value = facts.value.currency, _grouped(facts.value.amount)
    return f"The contract value is {value} {code}, more than {_grouped(limit)} {code}."


def _grouped(amount: Decimal) -> str:
    return f"{Decimal(plain(amount)):,f}"


def _margin(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    limit = conditions.margin_below
    if limit is None:
        return None
    if facts.margin is None:
        return f"The margin is not known, so it may be below {plain(limit)}%."
    if facts.margin >= limit:
        return False
    return f"The margin is {plain(facts.margin)}%, less than {plain(limit)}%."


def _term(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    limit = conditions.term_over_months
    if limit is None:
        return None
    if facts.months is None or facts.months <= limit:
        return False
    return f"The term is {facts.months} months, more than {limit}."


def _payment(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    limit = conditions.payment_over_days
    if limit is None:
        return None
    if facts.payment_days <= limit:
        return False
    return f"Payment is due after {facts.payment_days} days, more than {limit}."


def _currency(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    if not conditions.currencies:
        return None
    if facts.value.currency not in conditions.currencies:
        return False
    return f"It is in {facts.value.currency}."


def _products(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    if not conditions.products:
        return None
    sold = sorted(set(facts.products) & set(conditions.products))
    return f"It sells {', '.join(sold)}." if sold else False


def _text(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    if not conditions.has_custom_text:
        return None
    return "It has terms or an introduction in its own words." if facts.custom_text else False


def _overrides(conditions: Conditions, facts: QuoteFacts) -> _Answer:
    if not conditions.overrides_term_discount:
        return None
    return f"{'; '.join(facts.overrides)}." if facts.overrides else False


def fingerprint(conditions: Conditions, facts: QuoteFacts) -> str:
    """Return the SHA-256 of what a rule looks at: while that is the same, so is the agreement.

    The limits are part of it: an agreement under another limit is another agreement.
    """
    looked_at: dict[str, object] = {}
    if conditions.discount_over is not None:
        looked_at["discount"] = facts.discount
    if conditions.value_over is not None:
        looked_at["value"] = (facts.value.amount, facts.value.currency)
    if conditions.margin_below is not None:
        looked_at["margin"] = facts.margin
    if conditions.term_over_months is not None:
        looked_at["months"] = facts.months
    if conditions.payment_over_days is not None:
        looked_at["payment"] = facts.payment_days
    if conditions.currencies:
        looked_at["currency"] = facts.value.currency
    if conditions.products:
        looked_at["products"] = sorted(set(facts.products) & set(conditions.products))
    if conditions.has_custom_text:
        looked_at["text"] = facts.custom_text
    if conditions.overrides_term_discount:
        looked_at["overrides"] = facts.overrides
    if not looked_at:  # asked of every quote: about all of it
        looked_at = asdict(facts)
    limits = asdict(conditions)
    if not conditions.overrides_term_discount:
        del limits["overrides_term_discount"]  # agreements given before it existed still stand
    text = json.dumps([limits, looked_at], sort_keys=True, default=_exactly)
    return hashlib.sha256(text.encode()).hexdigest()


def _exactly(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else str(value)

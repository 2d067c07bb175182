"""Tests every draft must pass before it goes out in bulk. Pure: facts in, findings out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from monetization.kernel.decimals import NotExact, exact_decimal, plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money

DETAIL_LENGTH = 500
SECOND_PERSON = "second_person"  # kind of the rule that issuing asks too
ELECTRONIC = "electronic_complete"  # kind of the rule that reads the electronic form
SECOND_PERSON_CREDITS = (
    "second_person_credits"  # asked when a credit is issued or an invoice voided
)
RHYTHM_DAYS = 45  # a line that serves longer is not billed every month


class ParameterInvalid(Refusal):
    """A rule cannot work with this parameter; the message names it."""


class LineFacts(NamedTuple):
    """What of an invoice line the rules look at."""

    item_key: str
    description: str
    amount: Decimal
    quantity: Decimal | None
    is_usage: bool
    is_flagged: bool = False
    days: int = 30  # of service


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """A draft with what it is tested against. Amounts are of ``currency``."""

    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    lines: Sequence[LineFacts]
    previous_total: Decimal | None = None  # None: the first invoice of its contract
    previous_lines: Sequence[LineFacts] = ()
    change_note: str = ""
    purchase_order: str = ""
    requires_purchase_order: bool = False
    tax_treatment: str = "taxable"
    customer_tax_percent: Decimal = Decimal(0)
    customer_country: str = ""
    is_approved: bool = False  # by a person, as it is now
    electronic_missing: Sequence[str] = ()  # of the electronic form its entity sends


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as a company set it; ``kind`` is a key of ``KINDS``."""

    kind: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why an invoice fails a rule, in words."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value finance sets for a rule."""

    name: str
    label: str
    default: str
    read: Callable[[str], Any]


def _percentage(text: str) -> Decimal:
    try:
        number = exact_decimal(text)
    except NotExact as error:
        raise ValueError(str(error)) from None
    if not 0 <= number <= 10_000:
        raise ValueError("must be between 0 and 10000")
    return number


def _amount(text: str) -> Decimal:
    try:
        number = exact_decimal(text)
    except NotExact as error:
        raise ValueError(str(error)) from None
    if not 0 < number < 10**15:
        raise ValueError("must be above zero, with at most 15 digits")
    return number


def _amount_or_none(text: str) -> Decimal | None:
    return _amount(text) if text.strip() else None


def _countries(text: str) -> frozenset[str]:
    codes = [code.strip().upper() for code in text.split(",") if code.strip()]
    for code in codes:
        if not (len(code) == 2 and code.isascii() and code.isalpha()):
            raise ValueError(f"{code[:20]!r} is not a country code; write two letters, such as DE")
    return frozenset(codes)


_Test = Callable[[InvoiceFacts, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of rule: what people read, what they set, and the test itself.

    ``find`` returns what is wrong in words, or nothing.
    """

    label: str
    help: str
    find: _Test
    parameters: tuple[Parameter, ...] = ()
    is_default: bool = True  # on for a new company
    tests_drafts: bool = True  # otherwise it is asked elsewhere, and every draft passes


def _change_without_note(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    """Compare net amounts, without lines that the billing rhythm puts on one of the two only."""
    if facts.previous_total is None or facts.change_note:
        return ""
    before = _comparable(facts.previous_lines, facts.lines)
    after = _comparable(facts.lines, facts.previous_lines)
    if before == after:
        return ""
    if not before:
        return f"{_money(after, facts)} after nothing last time, and no note says why"
    share = abs(after - before) * 100 / abs(before)
    if share <= set_["percent"]:
        return ""
    word = "Up" if after > before else "Down"
    return f"{word} {share:,.1f} % against last time, and no note says why"


def _comparable(lines: Sequence[LineFacts], others: Sequence[LineFacts]) -> Decimal:
    also = {line.item_key for line in others}
    return sum(
        (line.amount for line in lines if line.days <= RHYTHM_DAYS or line.item_key in also),
        start=Decimal(0),
    )


def _negative_lines(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    return _listed("below zero", [line for line in facts.lines if line.amount < 0])


def _flagged_lines(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    return _listed("measured below zero, billed as zero", [x for x in facts.lines if x.is_flagged])


def _silent_usage(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    used = {line.item_key for line in facts.lines if line.is_usage and line.quantity}
    measured = {line.item_key for line in facts.lines if line.is_usage}
    silent = [
        line
        for line in facts.previous_lines
        if line.is_usage and line.quantity and line.item_key not in used
    ]
    known = [line for line in silent if line.item_key in measured]
    gone = [line for line in silent if line.item_key not in measured]
    return "; ".join(
        part
        for part in (
            _listed("no usage, though there was some last time", known),
            _listed("was billed by usage last time and is not on this invoice", gone),
        )
        if part
    )


def _over_limit(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    if facts.total <= set_["limit"]:
        return ""
    return f"{_money(facts.total, facts)} is more than {plain(set_['limit'])}"


def _unapproved(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    if facts.total <= set_["limit"] or facts.is_approved:
        return ""
    return f"{_money(facts.total, facts)} waits for a second person's approval"


def _nothing(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    return ""


def _untaxed(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    if facts.tax_treatment != "taxable" or facts.tax or facts.subtotal <= 0:
        return ""
    if facts.customer_tax_percent:
        return f"No tax, though the customer is taxed at {plain(facts.customer_tax_percent)} %"
    if facts.customer_country in set_["countries"]:
        return f"No tax for a taxable customer in {facts.customer_country}"
    return ""


def _no_purchase_order(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    if facts.requires_purchase_order and not facts.purchase_order:
        return "The customer pays only invoices with a purchase order; there is none"
    return ""


def _incomplete(facts: InvoiceFacts, set_: Mapping[str, Any]) -> str:
    if not facts.electronic_missing:
        return ""
    return f"The electronic invoice lacks {', '.join(facts.electronic_missing)}"


def _money(amount: Decimal, facts: InvoiceFacts) -> str:
    return f"{Money(amount, facts.currency).amount:,} {facts.currency}"


def _listed(what: str, lines: Sequence[LineFacts]) -> str:
    names = list(dict.fromkeys(line.description for line in lines))
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}: {what}"


KINDS: dict[str, Kind] = {
    "change_without_note": Kind(
        "A large change has a note",
        "The net amount moves by more than this share against last time, quarterly and yearly "
        "lines aside, and no note says why.",
        _change_without_note,
        (Parameter("percent", "Percent", "40", _percentage),),
    ),
    "no_negative_line": Kind(
        "No line is negative",
        "A negative amount belongs on a credit note.",
        _negative_lines,
    ),
    "usage_still_arrives": Kind(
        "Every meter still measures",
        "Usage that was billed last time is not zero this time.",
        _silent_usage,
    ),
    "total_within_limit": Kind(
        "The total is within a limit",
        "In the invoice's own currency.",
        _over_limit,
        (Parameter("limit", "At most", "100000", _amount),),
        is_default=False,
    ),
    SECOND_PERSON: Kind(
        "A second person approves large invoices",
        "Above this total, in the invoice's own currency, one person approves and another issues; "
        "a change takes the approval back. A waiver is no approval.",
        _unapproved,
        (Parameter("limit", "Above", "10000", _amount),),
        is_default=False,
    ),
    SECOND_PERSON_CREDITS: Kind(
        "A second person approves large credit notes and voids",
        "One person asks and another approves, once what one gives back alone of an invoice, or of "
        "a customer in 30 days (empty: no limit), comes to more than this with tax.",
        _nothing,
        (
            Parameter("limit", "Invoice", "1000", _amount),
            Parameter("customer_limit", "Customer", "", _amount_or_none),
        ),
        is_default=False,
        tests_drafts=False,
    ),
    "tax_present": Kind(
        "Taxable customers are taxed",
        "There is tax where the customer has a rate, and for every taxable customer in the "
        "countries listed.",
        _untaxed,
        (Parameter("countries", "Countries, such as DE, FR", "", _countries),),
    ),
    "purchase_order_present": Kind(
        "A purchase order where one is required",
        "For customers whose billing settings ask for one.",
        _no_purchase_order,
    ),
    ELECTRONIC: Kind(
        "The electronic invoice is complete",
        "Where the legal entity sends one: what its form must say is known before it is issued.",
        _incomplete,
    ),
    "nothing_flagged": Kind(
        "Nothing is flagged",
        "No quantity was measured below zero.",
        _flagged_lines,
    ),
}


def default_rules() -> tuple[tuple[Rule, bool], ...]:
    """Return every kind with its defaults, and whether a new company has it on."""
    return tuple(
        (Rule(kind, {each.name: each.default for each in of.parameters}), of.is_default)
        for kind, of in KINDS.items()
    )


def read_parameters(kind: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return a rule's parameters as values; what is not set has its default.

    :raises ParameterInvalid: naming the parameter.
    """
    known = {each.name: each for each in KINDS[kind].parameters}
    for name in parameters:
        if name not in known:
            raise ParameterInvalid(f"{name}: this rule has no such parameter")
    values = {}
    for name, parameter in known.items():
        try:
            values[name] = parameter.read(parameters.get(name, parameter.default))
        except ValueError as error:
            raise ParameterInvalid(f"{name}: {error}") from None
    return values


def evaluate(rules: Sequence[Rule], facts: InvoiceFacts) -> tuple[Finding, ...]:
    """Test an invoice by every rule; return what fails, in the order of the rules."""
    return tester(rules)(facts)


def tester(rules: Sequence[Rule]) -> Callable[[InvoiceFacts], tuple[Finding, ...]]:
    """Return ``evaluate`` by rules whose parameters are read once, for many invoices."""
    known = [
        (rule.kind, KINDS[rule.kind].find, read_parameters(rule.kind, rule.parameters))
        for rule in rules
    ]

    def test(facts: InvoiceFacts) -> tuple[Finding, ...]:
        found = ((kind, find(facts, values)) for kind, find, values in known)
        return tuple(Finding(kind, detail[:DETAIL_LENGTH]) for kind, detail in found if detail)

    return test

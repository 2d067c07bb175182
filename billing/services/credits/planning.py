"""Which grants would pay what of open invoices: computed with them, stored with them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from billing.domain.credit_use import Claim, Payable, Purse, Use, average_shares, plan_parts
from billing.domain.tax import line_tax
from billing.models import CreditGrant, Invoice
from billing.selectors.credits import Planned, balances_of, planned_on
from billing.selectors.parts import CREDIT, first_parts
from metering.selectors import ReadingRequest, measure
from monetization.catalog.models import PriceVersion
from monetization.kernel.money import ZERO, Money, total
from monetization.pricing.credits import NEVER, Grant

PREPAID = "prepaid"  # the kind of a line that sells credits


@dataclass(frozen=True, slots=True)
class LineFacts:
    """What decides whether a grant may pay a line. Instants are those of its service."""

    key: str
    label: str
    net: Money
    tax: Money
    percent: Decimal  # of the tax
    starts_at: datetime
    ends_at: datetime
    product_code: str = ""
    price_version_id: UUID | None = None
    meter_id: UUID | None = None  # of what was measured
    quantity: Decimal | None = None
    unit_code: str = ""
    unit_rate: Decimal | None = None
    is_payable: bool = True  # what sells credits is not paid with credits
    place: tuple[Any, ...] = ()  # where it would be printed on a draft that was not split


@dataclass(frozen=True, slots=True)
class Bill:
    """An open invoice as credits see it."""

    invoice: Invoice
    lines: Sequence[LineFacts]
    settles_only: bool = False  # its taxable base stays as it is


@dataclass(slots=True)
class _Books:
    """The grants of some customers and what of them is left for invoices in order of billing."""

    grants: dict[UUID, list[CreditGrant]] = field(default_factory=lambda: defaultdict(list))
    balances: dict[UUID, Decimal] = field(default_factory=dict)
    elsewhere: Mapping[UUID, list[Planned]] = field(default_factory=dict)
    used: dict[UUID, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    prices: dict[UUID, str] = field(default_factory=dict)  # price by its version
    firsts: Mapping[UUID, UUID] = field(default_factory=dict)  # of drafts that were split

    def place(self, bill_on: date, invoice_id: UUID) -> tuple[date, str]:
        """Return an invoice's turn; parts of one have the same."""
        return bill_on, str(self.firsts.get(invoice_id, invoice_id))

    def available(self, grant: CreditGrant, place: tuple[date, str]) -> Decimal:
        """Return what is left for a turn: what earlier ones and its other parts leave."""
        before = sum(
            (
                one.units
                for one in self.elsewhere.get(grant.id, ())
                if self.place(one.bill_on, one.invoice_id) <= place
            ),
            ZERO,
        )
        return self.balances.get(grant.id, ZERO) - before - self.used[grant.id]


Plans = dict[UUID, tuple[Use, ...]]


def customers_with_credits(customer_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of some customers who were ever granted credits."""
    rows = CreditGrant.objects.filter(customer__id__any=set(customer_ids)).order_by()
    return set(rows.values_list("customer_id", flat=True).distinct())


def plan(bills: Sequence[Bill]) -> Plans:
    """Say what credits pay of open invoices; earlier billing dates come first.

    Grants of other open invoices are left what these plan to use, if they bill earlier. Parts of
    a draft that was split are planned as if they were whole, or around what the others plan.
    """
    if not bills:
        return {}
    books = _load(bills)
    pairs = [
        (bill, line, grant)
        for bill in bills
        for line in bill.lines
        for grant in books.grants[bill.invoice.customer_id]
        if _may_pay(grant, line, bill.invoice, books.prices)
    ]
    shares = _shares(pairs)
    plans: Plans = {}
    turns: dict[tuple[date, str], list[Bill]] = defaultdict(list)
    for bill in sorted(bills, key=lambda each: (each.invoice.bill_on, str(each.invoice.id))):
        turns[books.place(bill.invoice.bill_on, bill.invoice.id)].append(bill)
    for place in sorted(turns):
        uses = _plan(turns[place], place, books, shares)
        for use in uses:
            books.used[UUID(use.grant_id)] += use.units
        plans |= _by_part(turns[place], uses)
    return plans


def _by_part(bills: Sequence[Bill], uses: Sequence[Use]) -> Plans:
    """Give each part what is used of it, with its lines under their own keys again."""
    found: dict[UUID, list[Use]] = {bill.invoice.id: [] for bill in bills}
    for use in uses:
        part, _, key = use.line_key.partition("/")
        found[UUID(part)].append(replace(use, line_key=key))
    return {invoice_id: tuple(several) for invoice_id, several in found.items()}


def _load(bills: Sequence[Bill]) -> _Books:
    books = _Books()
    rows = CreditGrant.objects.filter(
        customer__in={bill.invoice.customer_id for bill in bills}, voided_at__isnull=True
    )
    for grant in rows.order_by("id"):
        books.grants[grant.customer_id].append(grant)
    ids = [grant.id for grants in books.grants.values() for grant in grants]
    books.balances = balances_of(ids)
    books.elsewhere = planned_on(ids, beside=[bill.invoice.id for bill in bills])
    books.firsts = first_parts(books.grants)
    if any(grant.prices for grants in books.grants.values() for grant in grants):
        versions = {line.price_version_id for bill in bills for line in bill.lines}
        found = PriceVersion.objects.filter(id__in=versions).values_list("id", "price_id")
        books.prices = {version: str(price) for version, price in found}
    return books


def _may_pay(
    grant: CreditGrant, line: LineFacts, invoice: Invoice, prices: Mapping[UUID, str]
) -> bool:
    """Say whether a grant covers a line, whatever it holds."""
    ends = grant.expires_at or NEVER
    if not line.is_payable or grant.effective_at >= line.ends_at or ends <= line.starts_at:
        return False
    if (grant.currency, grant.legal_entity_id) != (invoice.currency, invoice.legal_entity_id):
        return False
    if grant.schedule_id is not None and grant.schedule_id != invoice.schedule_id:
        return False
    if grant.products and line.product_code not in grant.products:
        return False
    if grant.prices and (
        line.price_version_id is None or prices.get(line.price_version_id) not in grant.prices
    ):
        return False
    if grant.kind == CreditGrant.Kind.METER:
        return line.meter_id is not None and line.meter_id == grant.meter_id
    return grant.kind == CreditGrant.Kind.MONEY or line.unit_code == grant.unit_code


_Pair = tuple[Bill, LineFacts, CreditGrant]
_Shares = dict[tuple[UUID, str], dict[str, Fraction]]


def _shares(pairs: Sequence[_Pair]) -> _Shares:
    """Return which part of each line its grants may pay.

    A fee belongs to any grant that is active during its service. Usage belongs to the grants
    active when it happened: where a grant begins or ends within the period, what was used in
    between is measured.
    """
    shares: _Shares = defaultdict(dict)
    requests: list[ReadingRequest] = []
    asked: list[_Pair] = []
    for bill, line, grant in pairs:
        start = max(line.starts_at, grant.effective_at)
        end = min(line.ends_at, grant.expires_at or NEVER)
        if line.meter_id is None or (start, end) == (line.starts_at, line.ends_at):
            shares[bill.invoice.id, line.key][str(grant.id)] = Fraction(1)
            continue
        asked.append((bill, line, grant))
        requests.append(ReadingRequest(bill.invoice.customer_id, line.meter_id, start, end))
    found = measure(requests)[0] if requests else []
    for (bill, line, grant), part in zip(asked, found, strict=True):
        shares[bill.invoice.id, line.key][str(grant.id)] = average_shares(
            part.quantity, line.quantity or ZERO
        )
    return shares


def _plan(
    bills: Sequence[Bill], place: tuple[date, str], books: _Books, shares: _Shares
) -> tuple[Use, ...]:
    """Say what credits pay of one invoice, or of several parts of one; keys begin with the part."""
    first = bills[0].invoice
    settles_only = any(bill.settles_only for bill in bills)
    purses = [
        Purse(as_pure(grant), grant.kind, books.available(grant, place), grant.allows_overdraft)
        for grant in books.grants[first.customer_id]
        if not (settles_only and grant.taxed_at == CreditGrant.TaxedAt.GRANT)
    ]
    lines = [(bill.invoice.id, line) for bill in bills for line in bill.lines]
    if len(bills) > 1:
        lines.sort(key=lambda each: each[1].place)
    payable = [
        Payable(
            _key(part, line), line.net, shares.get((part, line.key), {}), line.quantity,
            line.unit_rate, str(part),
        )
        for part, line in lines
        if line.is_payable
    ]  # fmt: skip
    percents = {_key(part, line): line.percent for part, line in lines}
    return plan_parts(
        purses,
        payable,
        lambda key, net: line_tax(net, percents[key]),
        {str(bill.invoice.id): _claim(bill) for bill in bills},
    )


def _key(part: UUID, line: LineFacts) -> str:
    return f"{part}/{line.key}"


def _claim(bill: Bill) -> Claim:
    """Return what an invoice claims without credits; below zero nothing is to be paid."""
    currency = bill.invoice.currency
    gross = total((line.net + line.tax for line in bill.lines if line.is_payable), currency)
    net = total(
        (line.net for line in bill.lines if line.is_payable or line.net.amount < 0), currency
    )
    zero = Money.zero(currency)
    return Claim(max(zero, gross), max(zero, net))


def as_pure(grant: CreditGrant) -> Grant:
    """Return a grant as the pure rules know it: what decides its place in the order."""
    scope = {*grant.products, *grant.prices}
    if grant.kind == CreditGrant.Kind.METER:
        scope.add(str(grant.meter_id))
    if grant.kind == CreditGrant.Kind.UNIT:
        scope.add(grant.unit_code)
    if grant.schedule_id is not None:
        scope.add(str(grant.schedule_id))
    return Grant(
        id=str(grant.id),
        amount=grant.amount,
        priority=grant.priority,
        effective_at=grant.effective_at,
        expires_at=grant.expires_at or NEVER,
        cost_basis=grant.cost_amount / grant.amount,
        scope=frozenset(scope) or None,
        created=int(grant.created_at.timestamp()),
        taxed_at=grant.taxed_at,
    )


def credit_key(use: Use) -> str:
    """Return the key of the line by which a grant reduces the base of another line."""
    return f"{CREDIT}:{UUID(use.grant_id).hex}:{use.line_key}"


def credit_explanation(use: Use, grant: CreditGrant) -> dict[str, Any]:
    """Return the steps of a line that credits pay."""
    return {
        "kind": CREDIT,
        "grant": use.grant_id,
        "name": grant.name,
        "pays": use.line_key,
        "units": format(use.units.normalize(), "f"),
        "unit": grant.unit,
    }

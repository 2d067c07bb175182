"""What each billing fact means in the ledger. Pure: facts in, legs out.

A contract line is billed ahead of being earned (deferred revenue, a contract liability) or
earned ahead of being billed (unbilled receivable, a contract asset), never both: IFRS 15
paragraphs 105-107, ASC 606-10-45. Every rule settles the one before it builds the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from monetization.kernel.money import Money, total
from monetization.ledger.accounts import Account, Leg


@dataclass(frozen=True, slots=True)
class LineAmount:
    """A document's line as the ledger sees it; the amount may be negative."""

    item_key: str
    net: Money


@dataclass(frozen=True, slots=True)
class Document:
    """Who and what an entry is about."""

    customer_id: UUID
    invoice_id: UUID
    contract_id: UUID | None


@dataclass(frozen=True, slots=True)
class Position:
    """What a contract line has been billed ahead, and earned ahead. Neither is negative."""

    deferred: Money
    unbilled: Money


def sums_by_line(lines: Sequence[LineAmount], currency: str) -> dict[str, Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        sums[line.item_key] = sums.get(line.item_key, Money.zero(currency)) + line.net
    return sums


def invoice_issued(
    document: Document, lines: Sequence[LineAmount], tax: Money, positions: Mapping[str, Position]
) -> tuple[Leg, ...]:
    """Claim the total; settle what was earned before, defer the rest; owe the tax."""
    currency = tax.currency
    legs = []
    for key, net in sums_by_line(lines, currency).items():
        settles = _up_to(net, positions[key].unbilled) if key in positions else net - net
        legs.append(_leg(document, Account.UNBILLED_RECEIVABLE, -settles, key))
        legs.append(_leg(document, Account.DEFERRED_REVENUE, -(net - settles), key))
    claimed = total((line.net for line in lines), currency) + tax
    legs.append(_leg(document, Account.ACCOUNTS_RECEIVABLE, claimed))
    legs.append(_leg(document, Account.TAX_PAYABLE, -tax))
    return tuple(legs)


def invoice_voided(
    document: Document, lines: Sequence[LineAmount], tax: Money, positions: Mapping[str, Position]
) -> tuple[Leg, ...]:
    """Withdraw the claim; what was earned already is unbilled again."""
    return _withdrawn(document, lines, tax, positions, Account.UNBILLED_RECEIVABLE)


def credit_note_issued(
    document: Document, lines: Sequence[LineAmount], tax: Money, positions: Mapping[str, Position]
) -> tuple[Leg, ...]:
    """Give the amount up: first what is not earned yet, then revenue."""
    return _withdrawn(document, lines, tax, positions, Account.REVENUE)


def _withdrawn(
    document: Document,
    lines: Sequence[LineAmount],
    tax: Money,
    positions: Mapping[str, Position],
    beyond: Account,
) -> tuple[Leg, ...]:
    currency = tax.currency
    legs = []
    for key, net in sums_by_line(lines, currency).items():
        undone = _up_to(net, positions[key].deferred) if key in positions else net - net
        legs.append(_leg(document, Account.DEFERRED_REVENUE, undone, key))
        legs.append(_leg(document, beyond, net - undone, key))
    claimed = total((line.net for line in lines), currency) + tax
    legs.append(_leg(document, Account.TAX_PAYABLE, tax))
    legs.append(_leg(document, Account.ACCOUNTS_RECEIVABLE, -claimed))
    return tuple(legs)


def one_off_issued(document: Document, lines: Sequence[LineAmount], tax: Money) -> tuple[Leg, ...]:
    """Claim what was delivered without a contract: earned when it is billed; owe the tax."""
    currency = tax.currency
    legs = [
        _leg(document, Account.REVENUE, -net, key)
        for key, net in sums_by_line(lines, currency).items()
    ]
    claimed = total((line.net for line in lines), currency) + tax
    legs.append(_leg(document, Account.ACCOUNTS_RECEIVABLE, claimed))
    legs.append(_leg(document, Account.TAX_PAYABLE, -tax))
    return tuple(legs)


def one_off_voided(document: Document, lines: Sequence[LineAmount], tax: Money) -> tuple[Leg, ...]:
    """Withdraw such a claim, and the revenue with it."""
    return _withdrawn(document, lines, tax, {}, Account.REVENUE)


def invoice_written_off(document: Document, amount: Money) -> tuple[Leg, ...]:
    """Give up what an invoice still claims. Tax relief on bad debt is claimed on its own."""
    return (
        _leg(document, Account.BAD_DEBT, amount),
        _leg(document, Account.ACCOUNTS_RECEIVABLE, -amount),
    )


def write_off_reversed(document: Document, amount: Money) -> tuple[Leg, ...]:
    """Claim again what was given up."""
    return invoice_written_off(document, -amount)


def payment_received(
    customer_id: UUID, amount: Money, allocated: Mapping[UUID, Money]
) -> tuple[Leg, ...]:
    """Settle the invoices; what is not allocated stays the customer's credit in receivables."""
    rest = amount - total(allocated.values(), amount.currency)
    return (
        Leg(Account.CASH_CLEARING, amount, customer_id=customer_id),
        *(
            Leg(Account.ACCOUNTS_RECEIVABLE, -part, customer_id=customer_id, invoice_id=invoice)
            for invoice, part in allocated.items()
        ),
        Leg(Account.ACCOUNTS_RECEIVABLE, -rest, customer_id=customer_id),
    )


def payment_refunded(
    customer_id: UUID, amount: Money, released: Mapping[UUID, Money]
) -> tuple[Leg, ...]:
    """Give money back: invoices it had settled are owed again, the rest was nobody's yet."""
    return payment_received(
        customer_id, -amount, {invoice: -part for invoice, part in released.items()}
    )


def payment_fee_charged(customer_id: UUID, fee: Money) -> tuple[Leg, ...]:
    """Let a payment provider keep its fee out of what it collected; negative gives it back."""
    return (
        Leg(Account.PAYMENT_FEES, fee, customer_id=customer_id),
        Leg(Account.CASH_CLEARING, -fee, customer_id=customer_id),
    )


def payments_settled(amount: Money) -> tuple[Leg, ...]:
    """Move what a payment provider paid out to the bank."""
    return (Leg(Account.BANK, amount), Leg(Account.CASH_CLEARING, -amount))


def credits_sold(document: Document, grant: str, amount: Money) -> tuple[Leg, ...]:
    """Claim what credits are sold for and owe it in service; negative amounts take it back."""
    return (
        _leg(document, Account.ACCOUNTS_RECEIVABLE, amount),
        _leg(document, Account.CUSTOMER_CREDITS, -amount, grant),
    )


def credits_used(
    document: Document, grant: str, value: Money, released: Money | None = None
) -> tuple[Leg, ...]:
    """Settle an invoice with credits; negative amounts give them back.

    :param released: what the credits used were sold for; all of their value by default. The
        rest was given away and lowers revenue (ASC 606-10-32-25: consideration to a customer).
    """
    sold = value if released is None else released
    return (
        _leg(document, Account.CUSTOMER_CREDITS, sold, grant),
        _leg(document, Account.PROMOTIONAL_CREDITS, value - sold, grant),
        _leg(document, Account.ACCOUNTS_RECEIVABLE, -value),
    )


def credits_rounded(document: Document, grant: str, released: Money) -> tuple[Leg, ...]:
    """Let revenue carry what a part of a liability is off by when it is rounded."""
    return (
        _leg(document, Account.CUSTOMER_CREDITS, released, grant),
        _leg(document, Account.PROMOTIONAL_CREDITS, -released, grant),
    )


def overdraft_covered(customer_id: UUID, grant: str, released: Money) -> tuple[Leg, ...]:
    """Release what a grant that covers was sold for; an overdrawn one takes back what it said.

    The uses it pays for were counted as given away beyond what was sold; now they are not.
    """
    return (
        Leg(Account.CUSTOMER_CREDITS, released, customer_id=customer_id, item_key=grant),
        Leg(Account.PROMOTIONAL_CREDITS, -released, customer_id=customer_id, item_key=grant),
    )


def credits_expired(customer_id: UUID, grant: str, released: Money) -> tuple[Leg, ...]:
    """Earn what was paid for credits nobody will use (breakage: ASC 606-10-55-48)."""
    return (
        Leg(Account.CUSTOMER_CREDITS, released, customer_id=customer_id, item_key=grant),
        Leg(Account.BREAKAGE_REVENUE, -released, customer_id=customer_id, item_key=grant),
    )


def _up_to(amount: Money, available: Money) -> Money:
    """Return the part of an amount that a balance can settle; nothing for a negative one."""
    zero = Money.zero(amount.currency)
    if amount <= zero or available <= zero:
        return zero
    return amount if amount < available else available


def _leg(document: Document, account: Account, amount: Money, item_key: str = "") -> Leg:
    return Leg(
        account,
        amount,
        customer_id=document.customer_id,
        invoice_id=document.invoice_id,
        contract_id=document.contract_id,
        item_key=item_key,
    )

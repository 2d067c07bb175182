"""The chart of accounts and one side of an entry. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from monetization.kernel.money import Money


class Account(StrEnum):
    """The accounts we post to. ``docs/ledger.md`` says what each means."""

    ACCOUNTS_RECEIVABLE = "accounts_receivable"
    CASH_CLEARING = "cash_clearing"
    BANK = "bank"
    UNBILLED_RECEIVABLE = "unbilled_receivable"
    DEFERRED_REVENUE = "deferred_revenue"
    CUSTOMER_CREDITS = "customer_credits"
    TAX_PAYABLE = "tax_payable"
    REVENUE = "revenue"
    PROMOTIONAL_CREDITS = "promotional_credits"
    BREAKAGE_REVENUE = "breakage_revenue"
    BAD_DEBT = "bad_debt"
    PAYMENT_FEES = "payment_fees"

    @property
    def label(self) -> str:
        return self.value.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an entry as a value: debits positive, credits negative.

    The dimensions say what the amount is about, so that any balance can be taken by
    customer, by document or by contract line.
    """

    account: Account
    amount: Money
    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    contract_id: UUID | None = None  # the billing schedule
    item_key: str = ""  # the contract line


class EntryUnbalanced(ValueError):
    """The legs of an entry do not add up to zero in every currency."""


def balanced(legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """Return the legs that move money, checked to add up to zero per currency.

    :raises EntryUnbalanced: if any currency does not balance.
    """
    sums: dict[str, Money] = {}
    for leg in legs:
        currency = leg.amount.currency
        sums[currency] = sums.get(currency, Money.zero(currency)) + leg.amount
    off = {currency: str(total.amount) for currency, total in sums.items() if total.amount}
    if off:
        raise EntryUnbalanced(f"legs do not balance: {off}")
    return tuple(leg for leg in legs if leg.amount.amount)

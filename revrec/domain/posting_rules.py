"""What earning revenue means in the ledger. Pure."""

from dataclasses import dataclass
from uuid import UUID

from monetization.kernel.money import Money
from monetization.ledger.accounts import Account, Leg


@dataclass(frozen=True, slots=True)
class LineToRecognize:
    """A contract line, how much more (or less) it has earned, and its position before."""

    customer_id: UUID
    contract_id: UUID
    item_key: str
    amount: Money
    deferred: Money
    unbilled: Money


def revenue_recognized(line: LineToRecognize) -> tuple[Leg, ...]:
    """Release what was billed ahead; what is earned beyond it becomes unbilled.

    A negative amount takes revenue back the other way round: first from what is unbilled.
    Source: IFRS 15 paragraphs 105-107.
    """
    zero = Money.zero(line.amount.currency)
    if zero <= line.amount:
        released = min(line.amount, max(line.deferred, zero))
        rest = line.amount - released
        sides = (
            (Account.DEFERRED_REVENUE, released),
            (Account.UNBILLED_RECEIVABLE, rest),
        )
    else:
        taken = min(-line.amount, max(line.unbilled, zero))
        rest = -line.amount - taken
        sides = (
            (Account.UNBILLED_RECEIVABLE, -taken),
            (Account.DEFERRED_REVENUE, -rest),
        )
    return tuple(
        Leg(
            account,
            amount,
            customer_id=line.customer_id,
            contract_id=line.contract_id,
            item_key=line.item_key,
        )
        for account, amount in (*sides, (Account.REVENUE, -line.amount))
    )

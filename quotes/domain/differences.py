"""What changed between two versions of a quote in money, and in a sentence. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monetization.kernel.money import Money
from quotes.domain.comparison import Change
from quotes.domain.totals import QuoteTotals


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """A sum before and after; None where one of the two versions has no such year."""

    label: str
    before: Money | None
    after: Money | None

    @property
    def difference(self) -> Money | None:
        """Return what it is more by; None across currencies."""
        if self.before is None or self.after is None:
            return self.after or (-self.before if self.before else None)
        if self.before.currency != self.after.currency:
            return None
        return self.after - self.before

    @property
    def is_same(self) -> bool:
        return self.before == self.after


def money_rows(before: QuoteTotals, after: QuoteTotals) -> tuple[MoneyRow, ...]:
    """Return the sums of two versions side by side: value, per year, recurring, contract years."""
    old, new = before.priced, after.priced
    rows = [
        MoneyRow("Contract value", old.total_contract_value, new.total_contract_value),
        MoneyRow("Per year (ACV)", old.annual_contract_value, new.annual_contract_value),
        MoneyRow("Recurring (ARR)", before.recurring, after.recurring),
        MoneyRow("With expected usage", old.total, new.total),
    ]
    for number in range(max(len(old.by_year), len(new.by_year))):
        one, other = (
            each.by_year[number] if number < len(each.by_year) else None for each in (old, new)
        )
        rows.append(MoneyRow(f"Year {number + 1}, with usage", one, other))
    return tuple(rows)


def named_changes(changes: Sequence[Change]) -> str:
    """Name what changed, the most frequent first.

    >>> row = Change("Year", "Price", "price", 1, 2)
    >>> named_changes([row, Change("", "Start", "day", 1, 2), row])
    'price (2) and start'
    """
    # The value follows from the rest: it is not what anybody changed.
    named = (one.what[:1].lower() + one.what[1:] for one in changes if one.kind != "money")
    counted = Counter(named)
    said = [f"{what} ({count})" if count > 1 else what for what, count in counted.most_common()]
    if len(said) > 5:
        said = [*said[:4], f"{len(said) - 4} more"]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)

"""The revenue of one contract: its obligations, planned and posted, month by month."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Sum
from django.db.models.functions import TruncMonth

from billing.models import BillingSchedule
from monetization.ledger.accounts import Account
from monetization.ledger.models import Posting
from monetization.ledger.selectors import line_positions
from revrec.models import PerformanceObligation, RevenueSlice
from revrec.selectors.beyond_plan import beyond_plan
from revrec.selectors.by_month import months_between, name_of_line
from revrec.selectors.recognition import month_end

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class MonthOfLine:
    """One month of a contract line: what was planned, and what the ledger has."""

    month: date
    planned: Decimal | None
    posted: Decimal | None


@dataclass(frozen=True, slots=True)
class ContractLine:
    """A contract line with its obligations and what became of its price."""

    name: str
    item_key: str
    method: str
    obligations: tuple[PerformanceObligation, ...]
    months: tuple[MonthOfLine, ...]
    price: Decimal | None  # None for usage: earned as it is used
    since_signing: Decimal  # of the price: seats, percentages, caps that turned out otherwise
    recognized: Decimal
    deferred: Decimal
    unbilled: Decimal

    @property
    def remaining(self) -> Decimal | None:
        return None if self.price is None else self.price - self.recognized


@dataclass(frozen=True, slots=True)
class ContractRevenue:
    """A contract's lines and their sums; one currency."""

    schedule: BillingSchedule
    lines: tuple[ContractLine, ...]

    @property
    def price(self) -> Decimal:
        return sum((line.price or ZERO for line in self.lines), start=ZERO)

    @property
    def recognized(self) -> Decimal:
        return sum((line.recognized for line in self.lines), start=ZERO)

    @property
    def deferred(self) -> Decimal:
        return sum((line.deferred for line in self.lines), start=ZERO)

    @property
    def unbilled(self) -> Decimal:
        return sum((line.unbilled for line in self.lines), start=ZERO)

    @property
    def remaining(self) -> Decimal:
        return sum((line.remaining or ZERO for line in self.lines), start=ZERO)


def contract_revenue(schedule: BillingSchedule) -> ContractRevenue:
    """Return what a contract plans to earn and what is posted, line by line and month by month."""
    obligations: dict[str, list[PerformanceObligation]] = defaultdict(list)
    for obligation in PerformanceObligation.objects.filter(schedule=schedule).order_by(
        "start_on", "run"
    ):
        obligations[obligation.item_key].append(obligation)
    planned: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in RevenueSlice.objects.filter(obligation__schedule=schedule).values(
        "obligation__item_key", "month", "amount"
    ):
        planned[row["obligation__item_key"]][row["month"]] += row["amount"]
    posted: dict[str, dict[date, Decimal]] = defaultdict(dict)
    for row in (
        Posting.objects.filter(contract_id=schedule.id, account=Account.REVENUE)
        .values("item_key", month=TruncMonth("entry__entry_date"))
        .annotate(total=Sum("amount"))
    ):
        posted[row["item_key"]][row["month"]] = -row["total"]
    since: dict[str, Decimal] = defaultdict(Decimal)
    for other in beyond_plan([schedule], before=date.max):
        since[other.item_key] += other.amount.amount
    positions = line_positions(contract_ids=[schedule.id])
    keys = [*obligations, *sorted(({*posted} | {key for _, key in positions}) - {*obligations})]
    lines = []
    for key in keys:
        owned = obligations.get(key, [])
        method = owned[0].method if owned else "usage"
        position = positions.get((schedule.id, key))
        lines.append(
            ContractLine(
                name=owned[0].name if owned else name_of_line(key),
                item_key=key,
                method=method,
                obligations=tuple(owned),
                months=_months(planned.get(key, {}), posted.get(key, {})),
                price=None
                if method == "usage"
                else sum((one.transaction_price for one in owned), start=since[key]),
                since_signing=since[key],
                recognized=sum(posted.get(key, {}).values(), start=ZERO),
                deferred=position.deferred.amount if position else ZERO,
                unbilled=position.unbilled.amount if position else ZERO,
            )
        )
    return ContractRevenue(schedule, tuple(lines))


def _months(planned: dict[date, Decimal], posted: dict[date, Decimal]) -> tuple[MonthOfLine, ...]:
    touched = {*planned, *posted}
    if not touched:
        return ()
    return tuple(
        MonthOfLine(month, planned.get(month), posted.get(month))
        for month in months_between(min(touched), month_end(max(touched)))
    )

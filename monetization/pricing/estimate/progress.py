"""Usage billed before its period is over: what an invoice claims by then, and takes off later.

An invoice on the way claims what a line comes to by now less what was claimed of it before. The
invoice of the period states the line whole and takes off, line by line, what was claimed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from monetization.kernel.decimals import plain
from monetization.kernel.money import Money
from monetization.pricing.arithmetic import as_decimal
from monetization.pricing.estimate.computing import compute
from monetization.pricing.estimate.lines import PricedLine, explain


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an earlier invoice claimed of a line, and what was credited of it since."""

    label: str  # which invoice, as people read it
    billed: Money  # net, as invoiced
    credited: Money

    @property
    def stands(self) -> Money:
        return self.billed - self.credited


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of an invoice on the way."""

    amount: Money
    exact: Decimal
    explanation: dict[str, Any]


def price_progress(
    explanation: Mapping[str, Any], *, label: str, claimed: Sequence[Claimed]
) -> Progress:
    """Return what is to be claimed of a line by now.

    :param explanation: of the line as it is computed by now, for the whole period so far.
    :param label: until when it was measured, as people read it.
    """
    inputs = {name: value for name, value in explanation.items() if name not in _RESULTS}
    made: dict[str, Any] = {
        "kind": "progress",
        "currency": explanation["currency"],
        "label": label,
        "of": inputs,
        "claimed": [_data(one) for one in claimed],
    }
    amount, components, exact = compute(made)
    explain(made, amount, components, exact)
    made["cumulative"] = made["steps"][0]["amount"]
    return Progress(amount, as_decimal(exact), made)


_RESULTS = ("steps", "exact", "amount")


def taken_off(line: PricedLine, claimed: Claimed, *, key: str) -> PricedLine:
    """Return the line that takes what was claimed of another off the invoice of the period."""
    made: dict[str, Any] = {
        "kind": "billed",
        "currency": claimed.billed.currency,
        **_data(claimed),
    }
    amount, components, exact = compute(made)
    explain(made, amount, components, exact)
    return replace(
        line,
        key=key,
        kind="billed",
        label=f"{line.label}: {claimed.label}",
        quantity=None,
        unit_price=None,
        exact=as_decimal(exact),
        amount=amount,
        components=components,
        explanation=made,
        is_flagged=False,
    )


def _data(claimed: Claimed) -> dict[str, str]:
    return {
        "label": claimed.label,
        "billed": plain(claimed.billed.amount),
        "credited": plain(claimed.credited.amount),
    }

"""The multi-year ramp of the builder: one phase becomes years whose numbers rise."""

from copy import deepcopy
from decimal import Decimal

from monetization.kernel.decimals import NotExact, exact_decimal, plain
from quotes.domain.ramps import risen_price, risen_quantity
from quotes.web.builder_forms import RampForm
from quotes.web.draft_state import MAX_PHASES, DraftState, PhaseState, Values

_PRICES = ("amount", "unit_price", "package_price", "flat_fee")
_QUANTITIES = ("quantity", "expected_quantity")


def apply_ramp(state: DraftState, form: RampForm, currency: str) -> str:
    """Replace a phase by years of twelve months, prices and quantities compounding.

    What is billed once stays in the first year; discounts and minimums are repeated as they are.

    :returns: the form field to go to next.
    """
    if not form.is_valid():
        return "ramp-years"
    position: int = form.cleaned_data["phase"] - 1
    if position >= len(state.phases):
        form.add_error("phase", "there is no such phase any more")
        return "ramp-phase"
    years: int = form.cleaned_data["years"]
    if len(state.phases) - 1 + years > MAX_PHASES:
        form.add_error("years", f"at most {MAX_PHASES} phases fit one quote")
        return "ramp-years"
    percents = [
        Decimal(form.cleaned_data[name] or 0) for name in ("price_percent", "quantity_percent")
    ]
    first = state.phases[position]
    built = [_year(first, year, percents[0], percents[1], currency) for year in range(years)]
    state.phases[position : position + 1] = built
    return f"phases-{position}-name"


def _year(
    first: PhaseState, year: int, price_percent: Decimal, quantity_percent: Decimal, currency: str
) -> PhaseState:
    phase = deepcopy(first)
    phase.values |= {"name": f"Year {year + 1}", "kind": "ramp", "months": "12"}
    if year == 0:
        return phase
    phase.lines = [one for one in phase.lines if one.values.get("frequency") != "one_time"]
    for line in phase.lines:
        for values in (line.values, *line.tiers):
            _rise(values, year, price_percent, quantity_percent, currency)
    return phase


def _rise(
    values: Values, year: int, price_percent: Decimal, quantity_percent: Decimal, currency: str
) -> None:
    """Raise the numbers that can be read; what cannot keeps its text and its message."""
    for name, text in values.items():
        if name not in _PRICES and name not in _QUANTITIES:
            continue
        try:
            number = exact_decimal(text)
        except NotExact:
            continue
        if number >= 10**15:
            continue
        if name in _PRICES and price_percent:
            values[name] = plain(risen_price(number, price_percent, year, currency))
        elif name in _QUANTITIES and quantity_percent:
            values[name] = plain(risen_quantity(number, quantity_percent, year))

"""One period of one price, for a quantity and, where events decide, for one kind of event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from monetization.catalog.models import Price, PriceVersion
from monetization.catalog.web.describing import span
from monetization.interface.charging import labels
from monetization.kernel.period import Frequency
from monetization.pricing.codec import price_from_data
from monetization.pricing.estimate import PricedLine, PriceUse, SeatDays, price_once
from monetization.pricing.prices import (
    Capacity,
    ChargeModel,
    Flat,
    Matrix,
    PercentOf,
    Seat,
    TimeOfUse,
)
from monetization.pricing.terms.modifiers import PriceModifiers, modifiers_from_data
from monetization.pricing.usage import Usage, UsagePart

OTHER = "–"


@dataclass(frozen=True, slots=True)
class Chooser:
    """Something about the events that decides the price, and what it can be."""

    name: str  # of the form field
    label: str
    options: tuple[tuple[str, str], ...]
    chosen: str


@dataclass
class Sample:
    """A version of a price, ready to be asked what a quantity costs."""

    price: Price
    version: PriceVersion
    asked: Mapping[str, Any] = field(default_factory=dict)  # by name of a chooser

    @cached_property
    def model(self) -> ChargeModel:
        return price_from_data(self.version.model)

    @cached_property
    def modifiers(self) -> PriceModifiers:
        return modifiers_from_data(self.version.modifiers)

    @cached_property
    def choosers(self) -> tuple[Chooser, ...]:
        """Return what has to be chosen before an event has a price."""
        match self.model:
            case Matrix(cells, _, _):
                values: dict[str, list[str]] = {}
                for cell in cells:
                    for name, allowed in cell.match:
                        values.setdefault(name, []).extend(allowed)
                return tuple(
                    self._chooser(f"property-{at}", name, [(one, one) for one in found])
                    for at, (name, found) in enumerate(values.items())
                )
            case TimeOfUse(windows):
                options = [(str(one.start_minute), span(one)) for one in windows]
                return (self._chooser("minute", "When", options, "Any other time"),)
            case Capacity(tiers, dimension):
                units = labels(",".join(name for tier in tiers for name, _ in tier.limits))
                options = [(unit, unit) for unit in units]
                return (self._chooser("property-0", dimension, options, ""),)
            case _:
                return ()

    def _chooser(
        self, name: str, label: str, options: list[tuple[str, str]], other: str = "Anything else"
    ) -> Chooser:
        found = tuple(dict.fromkeys(options))
        found += ((OTHER, other),) if other else ()
        chosen = str(self.asked.get(name, ""))
        values = [value for value, _ in found]
        return Chooser(name, label, found, chosen if chosen in values else values[0])

    def priced(self, units: Decimal) -> tuple[PricedLine, ...]:
        """Price a quantity by the functions that bill: the line, and what a minimum adds."""
        use = PriceUse(
            "price",
            self.model,
            self.modifiers,
            self._used(units),
            frequency=Frequency(self.price.frequency),
            kind=self.price.product.kind,
        )
        if isinstance(self.model, PercentOf):
            use = PriceUse(
                "price", PercentOf(self.model.percent), self.modifiers, frequency=use.frequency
            )
            base = PriceUse("base", Flat(units), frequency=use.frequency)
            return price_once([use, base], self.price.currency)[:1]
        return price_once([use], self.price.currency)

    def _used(self, units: Decimal) -> Any:
        if isinstance(self.model, Seat):
            return SeatDays(units)
        if not self.choosers:
            return units
        chosen = {one.name: one for one in self.choosers if one.chosen != OTHER}
        minute = int(chosen.pop("minute").chosen) if "minute" in chosen else None
        properties = {one.label: one.chosen for one in chosen.values()}
        return Usage.of([UsagePart(units, properties, minute)])

"""The terms as dataclasses. What a contract does not use is left at its default, and unsaid."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from monetization.kernel.period import Frequency
from monetization.pricing.accumulation import WINDOWS
from monetization.pricing.prices import ChargeModel
from monetization.pricing.quantities import Conversion
from monetization.pricing.terms.parties import SellerTerms, TaxTerms
from monetization.pricing.terms.validation import validate

KINDS = ("fixed", "seat", "usage")
PHASE_KINDS = ("standard", "trial", "ramp")
TIMINGS = ("in_advance", "in_arrears")
RECOGNITIONS = ("straight_line", "usage", "point_in_time")
ACCUMULATIONS = WINDOWS
CHANGE_RULES = ("now_prorated", "now_full_reset", "at_period_end")
OVERAGE_SUFFIX = "+overage"  # a seat line's own rhythm for seats beyond the contracted minimum


@dataclass(frozen=True, slots=True)
class MinimumTerms:
    """Spend committed per period; usage below it is topped up at the period's end."""

    amount: Decimal  # currency per full period
    frequency: Frequency
    item_keys: tuple[str, ...] | None = None  # None: every usage line of the phase
    includes_fixed: bool = False  # None-scope counts fixed and seat lines too
    window: str = "per_period"  # or over_contract_year, over_contract: then frequency is moot
    is_prorated: bool = True  # a part of the period commits a part of the amount
    overage_factor: Decimal | None = None  # what spend beyond it costs, e.g. 1.2 times


@dataclass(frozen=True, slots=True)
class CapTerms:
    """The most that lines cost per period; lines in order of billing fill it."""

    amount: Decimal  # currency per full period
    frequency: Frequency
    item_keys: tuple[str, ...] | None = None  # None: every usage line of the phase
    includes_fixed: bool = False
    window: str = "per_period"
    is_prorated: bool = True
    label: str = "Cap"


@dataclass(frozen=True, slots=True)
class DiscountTerms:
    """A percentage, an amount or free units off.

    Percentages go on the running total in the order of the phase's list, amounts after them.
    """

    percent: Decimal = Decimal(0)  # 0 to 100
    label: str = "Discount"
    item_keys: tuple[str, ...] | None = None  # None: every line of the phase
    amount: Decimal | None = None  # currency per full period, off one line
    free_units: Decimal | None = None  # off the quantity, before it is priced


@dataclass(frozen=True, slots=True)
class IncludedTerms:
    """Units that are included before the price begins."""

    units: Decimal  # per full period, or per window if quantities accumulate
    is_prorated: bool = False  # a part of the period includes a part of the units


@dataclass(frozen=True, slots=True)
class PricingUnit:
    """A price in units of its own, such as AI credits, and what one costs in the currency."""

    code: str
    rate: Decimal  # currency per unit


@dataclass(frozen=True, slots=True)
class CreditsSold:
    """Credits a line sells: granted when it is invoiced, instead of being earned by its days."""

    amount: Decimal | None = None  # units for each one sold; None: what is paid, in money
    unit_code: str = ""  # a custom unit such as AI credits; empty: money
    expires_after_months: int | None = None  # from the start of the line's service; None: never
    priority: int = 50
    products: tuple[str, ...] = ()  # codes of what they may pay; empty: everything


@dataclass(frozen=True, slots=True)
class ChangeTerms:
    """What happens when the customer changes something within a period: data, never guessed."""

    upgrade: str = "now_prorated"
    downgrade: str = "at_period_end"
    quantity_increase: str = "now_prorated"
    quantity_decrease: str = "at_period_end"


@dataclass(frozen=True, slots=True)
class ItemTerms:
    """One price in one phase. ``key`` names the same contract line in every phase."""

    key: str
    product_code: str
    product_name: str
    kind: str  # fixed, seat, usage
    model: ChargeModel
    frequency: Frequency
    timing: str  # in_advance, in_arrears
    description: str = ""
    quantity: Decimal = Decimal(1)  # fixed and seat; usage is measured
    meter: str | None = None  # key of the meter that measures usage
    proration: str = "daily"
    price_version_id: str | None = None
    list_unit_price: Decimal | None = None
    recognition: str = "straight_line"
    expected_quantity: Decimal | None = None  # assumed usage per full billing period
    conversion: Conversion | None = None
    included: IncludedTerms | None = None
    accumulation: str = "per_period"
    pricing_unit: PricingUnit | None = None
    overage_frequency: Frequency | None = None  # seats beyond the contracted minimum
    credits: CreditsSold | None = None


@dataclass(frozen=True, slots=True)
class PhaseTerms:
    """A stretch of the contract with the same prices."""

    key: str
    name: str
    kind: str
    start_on: date
    end_on: date | None  # exclusive; None only in the last phase
    items: tuple[ItemTerms, ...]
    discounts: tuple[DiscountTerms, ...] = ()
    minimum: MinimumTerms | None = None
    further_minimums: tuple[MinimumTerms, ...] = ()
    caps: tuple[CapTerms, ...] = ()

    def item(self, key: str) -> ItemTerms:
        """Return a line by its key, or by the key its overage is billed under."""
        name = key.removesuffix(OVERAGE_SUFFIX)
        for item in self.items:  # looked up by the hundred thousand
            if item.key == key or item.key == name:
                return item
        raise KeyError(key)


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """The terms of an order form. Equal terms have equal hashes, however they were written."""

    title: str
    currency: str
    time_zone: str
    start_on: date
    end_on: date | None  # exclusive
    anchor_day: int  # 1-31: the day of the month periods begin
    payment_terms_days: int
    phases: tuple[PhaseTerms, ...]
    auto_renew: bool = False
    minimums: tuple[MinimumTerms, ...] = ()  # over lines of every phase
    caps: tuple[CapTerms, ...] = ()
    changes: ChangeTerms | None = None
    seller: SellerTerms | None = None
    purchase_order: str = ""
    tax: TaxTerms | None = None

    def __post_init__(self) -> None:
        validate(self)

    def phase(self, key: str) -> PhaseTerms:
        for phase in self.phases:
            if phase.key == key:
                return phase
        raise KeyError(key)

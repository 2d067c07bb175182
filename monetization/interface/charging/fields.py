"""The fields of each charge model and of the modifiers, as data for forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monetization.pricing.prices import SEAT_MODES

Choices = tuple[tuple[str, str], ...]
MAX_DIMENSIONS = 6


@dataclass(frozen=True, slots=True)
class Spec:
    """One thing to fill in. ``kind``: number, percent, count, flag, choice, text or time."""

    name: str
    label: str
    kind: str = "number"
    is_required: bool = False
    help: str = ""
    initial: str = ""
    choices: Choices = ()
    is_units: bool = False  # a quantity: up to 15 digits before the point
    above_zero: bool = False


MODELS: Choices = (
    ("flat", "Flat: an amount per period"),
    ("per_unit", "Per unit: quantity × unit price"),
    ("seat", "Seats: a price on a balance over time"),
    ("graduated", "Graduated: each slice at its own tier"),
    ("volume", "Volume: the whole quantity at the tier it reaches"),
    ("stair_step", "Stair step: the tier's fee only"),
    ("package", "Package: started packages of a fixed size"),
    ("percentage", "Percentage: of the money each event carries"),
    ("graduated_percentage", "Graduated percentage: slices of the money"),
    ("dynamic", "Dynamic: the money the events carry"),
    ("cost_plus", "Cost plus: the cost the events carry, with a markup"),
    ("matrix", "Matrix: a unit price by properties of the events"),
    ("time_of_use", "Time of use: a unit price by hour of the week"),
    ("capacity", "Capacity: one fee by what is used of several units"),
    ("percent_of", "Percentage of other lines"),
)
_ONLY = {
    "seat": ("seat",),
    "percent_of": ("fixed",),
    "percentage": ("usage",),
    "graduated_percentage": ("usage",),
    "dynamic": ("usage",),
    "cost_plus": ("usage",),
    "matrix": ("usage",),
    "time_of_use": ("usage",),
    "capacity": ("usage",),
}
_SEAT_MODES: Choices = tuple(
    zip(
        SEAT_MODES,
        (
            "Added by the day, removed later",
            "Added and removed by the day",
            "The highest in the period",
            "The number at its start",
        ),
        strict=True,
    )
)
_SEAT_PRICES: Choices = (
    ("per_unit", "The same for each"),
    ("graduated", "Graduated tiers"),
    ("volume", "Volume tiers"),
)
DAYS: Choices = (
    ("daily", "Every day"),
    ("weekdays", "Mon – Fri"),
    ("weekend", "Sat, Sun"),
    ("0", "Monday"),
    ("1", "Tuesday"),
    ("2", "Wednesday"),
    ("3", "Thursday"),
    ("4", "Friday"),
    ("5", "Saturday"),
    ("6", "Sunday"),
)
WINDOWS: Choices = (
    ("per_period", "Per billing period"),
    ("over_contract_year", "Per contract year"),
    ("over_contract", "Over the whole term"),
)
_RHYTHMS: Choices = (
    ("", "With the seats"),
    ("monthly", "Monthly"),
    ("quarterly", "Quarterly"),
    ("half_yearly", "Half-yearly"),
    ("yearly", "Yearly"),
    ("weekly", "Weekly"),
)

_AT_ZERO = Spec("flat_fee_at_zero", "The first tier's fee is due without usage too", "flag")
_UNIT_PRICE = Spec("unit_price", "Price per unit", is_required=True)
_FIELDS: dict[str, tuple[Spec, ...]] = {
    "flat": (Spec("amount", "Amount per period", is_required=True),),
    "per_unit": (_UNIT_PRICE,),
    "graduated": (_AT_ZERO,),
    "volume": (_AT_ZERO,),
    "stair_step": (_AT_ZERO,),
    "package": (
        Spec("size", "Units in a package", is_required=True, above_zero=True),
        Spec("package_price", "Price per package", is_required=True),
        Spec("free_units", "Free units"),
        Spec("at_least_one", "At least one package, without usage too", "flag"),
        Spec("whole_only", "Only full packages are charged", "flag"),
    ),
    "percentage": (
        Spec("percent", "Percent of each amount", "percent", is_required=True),
        Spec("fixed_fee", "Fee per event"),
        Spec("free_events", "Free events", "count"),
        Spec("free_amount", "Free amount", help="With free events: whichever ends first."),
        Spec("event_minimum", "At least, per event"),
        Spec("event_maximum", "At most, per event"),
    ),
    "graduated_percentage": (_AT_ZERO,),
    "dynamic": (Spec("multiplier", "Times", initial="1", help="1 passes the money on."),),
    "cost_plus": (Spec("markup_percent", "Markup, percent", "percent", is_required=True),),
    "matrix": (
        Spec(
            "dimensions",
            "Properties",
            "text",
            is_required=True,
            help="Of the events, such as model, region. One column each.",
        ),
        Spec("default_unit_price", "Price of everything else", is_required=True),
        Spec("group_by", "One line for each", "text", help="A property; the amount is the same."),
    ),
    "time_of_use": (Spec("default_unit_price", "Price at any other time", is_required=True),),
    "capacity": (
        Spec("units", "Units", "text", is_required=True, help="Such as cores, gigabytes."),
        Spec("dimension", "Property that names the unit", "text", initial="unit"),
    ),
    "percent_of": (
        Spec("percent", "Percent", "percent", is_required=True),
        Spec("item_keys", "Of the lines", "text", help="Codes of products. Empty: all others."),
    ),
}
_UP_TO = Spec("up_to", "Up to, included", is_units=True)
_FLAT_FEE = Spec("flat_fee", "Flat fee")
_EACH = Spec("unit_price", "Price per unit")
_TIERS = (_UP_TO, _EACH, Spec("block_size", "In blocks of", above_zero=True), _FLAT_FEE)
_COLUMNS: dict[str, tuple[Spec, ...]] = {
    "graduated": _TIERS,
    "volume": _TIERS,
    "stair_step": (_UP_TO, _FLAT_FEE),
    "graduated_percentage": (_UP_TO, Spec("percent", "Percent", "percent"), _FLAT_FEE),
    "time_of_use": (
        Spec("days", "On", "choice", choices=DAYS, initial="weekdays"),
        Spec("start", "From", "time", is_required=True),
        Spec("end", "Until", "time", is_required=True),
        _UNIT_PRICE,
    ),
}
_ROW_WORDS = {"matrix": "row", "time_of_use": "time", "capacity": "size"}


def models_for(kind: str) -> Choices:
    """Return the charge models a product of a kind can have."""
    return tuple(pair for pair in MODELS if kind in _ONLY.get(pair[0], (kind,)))


def fields_of(model: str, values: Mapping[str, Any]) -> tuple[Spec, ...]:
    """Return the fields of a charge model; a seat price has those of the price it counts by."""
    if model != "seat":
        return _FIELDS.get(model, ())
    inner = seat_price(values)
    own: tuple[Spec, ...] = (
        Spec("seat_price", "Price of a seat", "choice", choices=_SEAT_PRICES, initial="per_unit"),
        Spec("mode", "When seats change", "choice", choices=_SEAT_MODES),
        Spec("contracted_minimum", "Contracted minimum", help="Charged even if fewer are held."),
    )
    return (*own, *_FIELDS[inner])


def seat_price(values: Mapping[str, Any]) -> str:
    """Return how a seat is priced, by what is typed."""
    chosen = str(values.get("seat_price", ""))
    return chosen if chosen in dict(_SEAT_PRICES) else "per_unit"


def columns_of(model: str, values: Mapping[str, Any]) -> tuple[Spec, ...]:
    """Return the columns of a model's rows; none for a model without rows."""
    if model == "seat":
        return _COLUMNS.get(seat_price(values), ())
    if model == "matrix":
        named = labels(values.get("dimensions", ""))[:MAX_DIMENSIONS]
        dimensions = (
            Spec(f"value_{at}", name, "text", help="Empty: any") for at, name in enumerate(named)
        )
        return (*dimensions, _UNIT_PRICE)
    if model == "capacity":
        named = labels(values.get("units", ""))[:MAX_DIMENSIONS]
        limits = (
            Spec(f"value_{at}", f"{name} up to", is_units=True, help="Empty: any amount")
            for at, name in enumerate(named)
        )
        return (*limits, Spec("price", "Price", is_required=True))
    return _COLUMNS.get(model, ())


def has_rows(model: str, values: Mapping[str, Any]) -> bool:
    return model in ("matrix", "capacity") or bool(columns_of(model, values))


def row_word(model: str) -> str:
    """Return what a row of a model is called."""
    return _ROW_WORDS.get(model, "tier")


def labels(text: Any) -> list[str]:
    """Read names separated by commas; each once, in their order.

    >>> labels(" region, model,,region ")
    ['region', 'model']
    """
    return list(dict.fromkeys(part for one in str(text or "").split(",") if (part := one.strip())))


_MINIMUM = (
    Spec("min_amount", "At least"),
    Spec("min_window", "Counted", "choice", choices=WINDOWS),
    Spec("min_factor", "Spend beyond it, times", help="Such as 1.2. Empty: the price itself."),
    Spec("min_whole", "Owed whole in a part of a period", "flag"),
)
_CAP = (
    Spec("cap_amount", "At most"),
    Spec("cap_window", "Counted", "choice", choices=WINDOWS),
    Spec("cap_whole", "Whole in a part of a period", "flag"),
)
_CONVERSION = (
    Spec(
        "convert",
        "Measured units are",
        "choice",
        choices=(("", "Priced as they are"), ("divide", "Divided by"), ("multiply", "Times")),
    ),
    Spec("factor", "Factor", above_zero=True),
    Spec(
        "round",
        "Then rounded",
        "choice",
        choices=(("none", "Not"), ("up", "Up"), ("down", "Down"), ("half_up", "Half up")),
    ),
    Spec("precision", "To decimal places", "text", help="0 is whole units; -2 hundreds."),
)
_QUANTITY = (
    Spec("included_units", "Units", is_units=True),
    Spec("accumulation", "They and the tiers count", "choice", choices=WINDOWS),
    Spec("included_prorated", "A part of a period includes a part of them", "flag"),
)
_PRICING_UNIT = (
    Spec("unit_code", "Called", "text", help="Such as AI credits. Prices above are in them."),
    Spec("unit_rate", "One costs"),
)
DISCOUNT_COLUMNS = (
    Spec(
        "kind",
        "Takes off",
        "choice",
        choices=(("percent", "Percent"), ("amount", "An amount"), ("free_units", "Units")),
        initial="percent",
    ),
    Spec("value", "How much", is_required=True, is_units=True),
    Spec("label", "Called", "text", initial="Discount"),
)


_CREDITS = (
    Spec("sells_credits", "Sells credits", "flag", help="Granted with every invoice of the line."),
    Spec(
        "credits_sold", "How many", above_zero=True, help="For each one sold. Empty: what is paid."
    ),
    Spec("credits_unit", "Unit", "text", help="Such as AI credits. Empty: money."),
    Spec("credits_months", "They last, in months", "text", help="Empty: for ever."),
    Spec("credits_priority", "Priority", "text", help="The lowest pays first; 50 by default."),
    Spec("credits_products", "They pay for", "text", help="Product codes. Empty: everything."),
)
_OVERAGE = (Spec("overage_frequency", "Billed", "choice", choices=_RHYTHMS),)
Groups = tuple[tuple[str, tuple[Spec, ...]], ...]


def modifier_groups(model: str, kind: str) -> Groups:
    """Return what may stand beside a charge model, in groups with their titles.

    Only what fits the model and the kind of product.
    """
    by_event = ("percentage", "dynamic", "cost_plus", "matrix", "time_of_use", "capacity")
    found: list[tuple[str, tuple[Spec, ...]]] = []
    if kind == "usage":
        found.append(("Conversion of units", _CONVERSION))
        if model not in by_event:
            found.append(("Included units", _QUANTITY))
    if model == "seat":
        found.append(("Seats beyond the minimum", _OVERAGE))
    if kind == "fixed":
        found.append(("Credits", _CREDITS))
    found += [("Minimum", _MINIMUM), ("Cap", _CAP), ("Units of its own", _PRICING_UNIT)]
    return tuple(found)


def modifier_fields(model: str, kind: str) -> tuple[Spec, ...]:
    """Return the fields beside a charge model that fit it and the kind of product."""
    return tuple(spec for _, specs in modifier_groups(model, kind) for spec in specs)


_SEAT_OWN = ("seat_price", "mode", "contracted_minimum")
_MODIFIERS = (*_CONVERSION, *_QUANTITY, *_CREDITS, *_MINIMUM, *_CAP, *_PRICING_UNIT)
LINE_NAMES = frozenset(
    {
        *(spec.name for specs in _FIELDS.values() for spec in specs),
        *(spec.name for spec in _MODIFIERS),
        *_SEAT_OWN,
        "overage_frequency",
    }
)
ROW_NAMES = frozenset(
    {
        *(spec.name for specs in _COLUMNS.values() for spec in specs),
        *(f"value_{at}" for at in range(MAX_DIMENSIONS)),
        *("unit_price", "price"),
    }
)
DISCOUNT_NAMES = tuple(spec.name for spec in DISCOUNT_COLUMNS)
# What decides which other fields there are.
LAYOUT_FIELDS = ("seat_price", "dimensions", "units")


def layout_of(model: str, values: Mapping[str, Any]) -> str:
    """Return what decides the fields on a page: the model, and the columns it has now."""
    if model in ("matrix", "capacity"):
        return f"{model}:{len(columns_of(model, values))}"
    return f"seat:{seat_price(values)}" if model == "seat" else model


def row_family(layout: str) -> str:
    """Return what rows of a layout have in common: a switch within it keeps them."""
    name, _, inner = layout.partition(":")
    tiers = ("graduated", "volume", "stair_step")
    return "tiers" if name in tiers or inner in tiers else name

"""The function that prices: quotes, previews, schedules and invoices all call it."""

from monetization.pricing.estimate.compiled import Pricer, pricer
from monetization.pricing.estimate.computing import rerate
from monetization.pricing.estimate.items import (
    Measured,
    SeatBalances,
    price_charge_period,
)
from monetization.pricing.estimate.lines import Component, PricedLine, line_key
from monetization.pricing.estimate.once import PriceUse, SeatDays, check_price, price_once
from monetization.pricing.estimate.periods import price_minimum, price_periods
from monetization.pricing.estimate.progress import Claimed, Progress, price_progress, taken_off
from monetization.pricing.estimate.whole import Estimate, estimate, first_invoice

__all__ = [
    "Claimed",
    "Component",
    "Estimate",
    "Measured",
    "PriceUse",
    "PricedLine",
    "Pricer",
    "Progress",
    "SeatBalances",
    "SeatDays",
    "check_price",
    "estimate",
    "first_invoice",
    "line_key",
    "price_charge_period",
    "price_minimum",
    "price_once",
    "price_periods",
    "price_progress",
    "pricer",
    "rerate",
    "taken_off",
]

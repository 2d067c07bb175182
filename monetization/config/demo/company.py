"""The seller: its legal entities, people, products, meters and list prices."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from metering.services import create_meter
from monetization.catalog.models import Price, Product
from monetization.catalog.services import create_price, create_product
from monetization.interface.models import SavedView
from monetization.tenancy.models import LegalEntity, Tenant
from monetization.users.models import Membership, Role, User

SLUG = "tidewater"
NAME = "Tidewater Software"
PASSWORD = "tidewater-demo"  # noqa: S105 - a demo's, printed on the console
CURRENCIES = {"USD": Decimal(1), "GBP": Decimal("0.8"), "EUR": Decimal("0.9"), "JPY": Decimal(150)}
PEOPLE = (
    ("maya@tidewater.example", "Maya Lindqvist", Role.OWNER),
    ("farah@tidewater.example", "Farah Okonkwo", Role.FINANCE),
    ("ruben@tidewater.example", "Ruben Castellanos", Role.REVOPS),
    ("emre@tidewater.example", "Emre Aydin", Role.ENGINEER),
    ("audra@tidewater.example", "Audra Whitfield", Role.AUDITOR),
)
_ENTITIES = (
    ("US", "Tidewater Software, Inc.", "US", "401 Harbor Way\nPortland, ME 04101\nUnited States"),
    ("UK", "Tidewater Software Ltd", "GB", "14 Wharf Street\nBristol BS1 5TY\nUnited Kingdom"),
    ("DE", "Tidewater Software GmbH", "DE", "Speicherstraße 9\n20457 Hamburg\nGermany"),
    ("JP", "Tidewater Software K.K.", "JP", "2-3-1 Minato Mirai\nYokohama 220-0012\nJapan"),
)
ENTITY_OF = {"USD": "US", "GBP": "UK", "EUR": "DE", "JPY": "JP"}


@dataclass(frozen=True, slots=True)
class ListPrice:
    """A price of the catalog in US dollars; other currencies are derived from it."""

    code: str
    product: str
    name: str
    frequency: str
    timing: str
    model: dict[str, Any]
    meter: str = ""


PRODUCTS = (
    ("platform", "Platform", "fixed", "Ledger, workflows and all connectors."),
    ("billing-seats", "Billing module", "seat", "Named users of the billing module."),
    ("revenue-seats", "Revenue module", "seat", "Named users of the revenue module."),
    ("invoice-volume", "Invoice volume", "usage", "Invoices processed for your customers."),
    ("api-calls", "API calls", "usage", "Requests to the public API."),
    ("onboarding", "Onboarding", "fixed", "Set-up, data migration and training."),
)


def _tiers(*rows: tuple[str | None, str]) -> list[dict[str, Any]]:
    return [{"up_to": up_to, "unit_price": price, "flat_fee": "0"} for up_to, price in rows]


_VOLUME = _tiers(("1000", "0.80"), ("10000", "0.45"), (None, "0.20"))
_ALL_UNITS = _tiers(("5000", "0.60"), ("25000", "0.38"), (None, "0.24"))
PRICES = (
    ListPrice(
        "platform-monthly",
        "platform",
        "Platform, monthly",
        "monthly",
        "in_advance",
        {"model": "flat", "amount": "2400"},
    ),
    ListPrice(
        "platform-yearly",
        "platform",
        "Platform, yearly",
        "yearly",
        "in_advance",
        {"model": "flat", "amount": "26400"},
    ),
    ListPrice(
        "billing-seats-monthly",
        "billing-seats",
        "Billing seats, monthly",
        "monthly",
        "in_advance",
        {"model": "per_unit", "unit_price": "60"},
    ),
    ListPrice(
        "revenue-seats-quarterly",
        "revenue-seats",
        "Revenue seats, quarterly",
        "quarterly",
        "in_advance",
        {"model": "per_unit", "unit_price": "240"},
    ),
    ListPrice(
        "invoice-volume-graduated",
        "invoice-volume",
        "Invoice volume, graduated",
        "monthly",
        "in_arrears",
        {"model": "graduated", "tiers": _VOLUME},
        "invoices",
    ),
    ListPrice(
        "invoice-volume-all-units",
        "invoice-volume",
        "Invoice volume, all units at one price",
        "monthly",
        "in_arrears",
        {"model": "volume", "tiers": _ALL_UNITS},
        "invoices",
    ),
    ListPrice(
        "api-calls-package",
        "api-calls",
        "API calls, packages of 10,000",
        "monthly",
        "in_arrears",
        {"model": "package", "size": "10000", "package_price": "5", "free_units": "50000"},
        "api-calls",
    ),
    ListPrice(
        "onboarding-fee",
        "onboarding",
        "Onboarding fee",
        "one_time",
        "in_advance",
        {"model": "flat", "amount": "6000"},
    ),
)


def in_currency(model: dict[str, Any], currency: str) -> dict[str, Any]:
    """Return a dollar model in another currency, at the company's own list ratio."""
    ratio = CURRENCIES[currency]

    def convert(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: convert(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [convert(item) for item in value]
        if key in ("amount", "unit_price", "package_price"):
            return f"{(Decimal(value) * ratio).normalize():f}"
        return value

    converted: dict[str, Any] = convert(model)
    return converted


def price_code(code: str, currency: str) -> str:
    return f"{code}-{currency.lower()}"


def create_company() -> Tenant:
    """Make the tenant and its people: global rows, before any tenant is bound."""
    tenant = Tenant.objects.create(name=NAME, slug=SLUG, time_zone="America/New_York")
    for email, name, role in PEOPLE:
        user = User.objects.filter(email=email).first()
        if user is None:
            user = User.objects.create_user(email, PASSWORD, name=name)
        Membership.objects.create(user=user, tenant=tenant, role=role)
    return tenant


def create_entities() -> dict[str, LegalEntity]:
    """Make the companies that invoice, by currency."""
    made = {
        code: LegalEntity.objects.create(
            code=code,
            name=name,
            country=country,
            address=address,
            tax_id={"UK": "GB 284 1190 22", "DE": "DE 318 204 551"}.get(code, ""),
            email="billing@tidewater.example",
            bank_details="Harbor Bank · account 4400 8812 07",
            footer="Thank you for your business.",
            is_default=code == "US",
        )
        for code, name, country, address in _ENTITIES
    }
    return {currency: made[code] for currency, code in ENTITY_OF.items()}


def create_catalog(now: datetime) -> dict[str, Price]:
    """Make meters, products and list prices in every currency; prices by code."""
    meters = {
        "invoices": create_meter(
            key="invoices",
            name="Invoices processed",
            unit="invoices",
            event_type="invoice.processed",
            aggregation="sum",
            value_property="count",
            now=now,
        ),
        "api-calls": create_meter(
            key="api-calls",
            name="API calls",
            unit="calls",
            event_type="api.called",
            aggregation="sum",
            value_property="calls",
            now=now,
        ),
    }
    products: dict[str, Product] = {}
    for code, name, kind, description in PRODUCTS:
        products[code] = create_product(
            code=code,
            name=name,
            kind=kind,
            description=description,
            recognition="point_in_time" if code == "onboarding" else "",
        )
    prices = {}
    for row in PRICES:
        for currency in CURRENCIES:
            code = price_code(row.code, currency)
            prices[code] = create_price(
                product_id=products[row.product].id,
                code=code,
                name=f"{row.name} ({currency})",
                currency=currency,
                frequency=row.frequency,
                timing=row.timing,
                model=in_currency(row.model, currency),
                meter_id=meters[row.meter].id if row.meter else None,
                now=now,
            )
    return prices


def create_views() -> None:
    """Save the view finance opens at month-end."""
    SavedView.objects.create(
        page="invoices",
        name="Month-end",
        query="month=current&status=draft",
        is_shared=True,
        is_default=True,
    )

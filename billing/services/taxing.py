"""Which tax a line carries: its product's category, the entity that sells, the customer's country.

What a company has not set falls back on the customer's own rate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.domain.tax import percent_for, tax_lines
from billing.models import Invoice, InvoiceLine, TaxRate, TaxSetting
from monetization.catalog.models import Product
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.tenancy.models import LegalEntity

STANDARD = "standard"


class TaxInvalid(Refusal):
    """A tax cannot be charged as described; the message names the field."""


@dataclass(frozen=True, slots=True)
class LineRate:
    """The tax of one line. An empty treatment is the invoice's own."""

    percent: Decimal
    name: str = ""
    treatment: str = ""


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of a company, and the categories of its products, read once for many lines."""

    by_place: Mapping[tuple[UUID, str, str], LineRate]
    categories: Mapping[str, str]  # product code -> category, where it is not the standard one

    @classmethod
    def load(cls) -> "Rates":
        rows = TaxRate.objects.values_list(
            "legal_entity_id", "country", "category", "percent", "name", "treatment"
        )
        by_place = {row[:3]: LineRate(row[3], row[4], row[5]) for row in rows}
        if not by_place:  # then no category has a rate of its own
            return cls({}, {})
        products = Product.objects.exclude(tax_category=STANDARD)
        return cls(by_place, dict(products.values_list("code", "tax_category")))

    def of(self, invoice: Invoice, product_code: str) -> LineRate:
        """Return the tax of a line: of its place and category, else the customer's own.

        A customer who is exempt or accounts for the tax pays none on anything. The customer's
        own rate stands for the standard category and goes before the company's.
        """
        own = LineRate(percent_for(invoice.tax_treatment, invoice.tax_percent))
        if invoice.tax_treatment != "taxable":
            return own
        category = self.categories.get(product_code, STANDARD)
        if category == STANDARD and own.percent:
            return own
        country = invoice.customer.country
        places = [(invoice.legal_entity_id, each, category) for each in (country, "")]
        return next((self.by_place[each] for each in places if each in self.by_place), own)

    def known(self) -> list[Any]:
        """Return what a recalculation depends on, as plain data."""
        return [
            sorted([*map(str, place), plain(rate.percent), rate.name, rate.treatment]
                   for place, rate in self.by_place.items()),
            sorted(self.categories.items()),
        ]  # fmt: skip


def tax_settings() -> dict[UUID, TaxSetting]:
    """Return how each legal entity adds tax up, where that was set."""
    return {row.legal_entity_id: row for row in TaxSetting.objects.all()}


def tax_fields(customer: Customer, setting: TaxSetting | None) -> dict[str, Any]:
    """Return what a new invoice says of tax: the customer's, as the legal entity adds it up."""
    return {
        "tax_treatment": customer.tax_treatment,
        "tax_name": customer.tax_name,
        "tax_percent": customer.tax_percent,
        "tax_method": setting.method if setting else TaxSetting.Method.PER_LINE,
        "prices_include_tax": bool(setting and setting.prices_include_tax),
    }


def tax_fields_of(customer: Customer, entity_id: UUID) -> dict[str, Any]:
    """Return ``tax_fields`` for one invoice of an entity."""
    setting = TaxSetting.objects.filter(legal_entity=entity_id).first()
    return tax_fields(customer, setting)


def share_tax(invoice: Invoice, lines: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    """Round the tax once per rate on the sum of its lines; return the lines whose share differs.

    For lines none of which is computed anew; the caller saves them.
    """
    shares = tax_lines(
        [(line.key, Money(line.amount, invoice.currency), line.tax_percent) for line in lines],
        currency=invoice.currency,
        method=invoice.tax_method,
    )
    differing = [line for line in lines if line.tax_amount != shares[line.key].tax.amount]
    for line in differing:
        line.tax_amount = shares[line.key].tax.amount
    return differing


@transaction.atomic
def set_tax_rate(
    *,
    legal_entity_id: UUID,
    category: str,
    country: str,
    treatment: str,
    name: str,
    percent: Decimal,
    now: datetime,
) -> TaxRate:
    """Say what is charged on a category in a country; drafts follow when they are recalculated.

    :param country: two letters; empty for every country without a rate of its own.
    :raises TaxInvalid: naming the field.
    """
    entity = LegalEntity.objects.get(id=legal_entity_id)
    country, category, name = country.strip().upper(), category.strip(), name.strip()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise TaxInvalid("country: two letters, such as DE; empty for every other country")
    if not category or len(category) > 20:
        raise TaxInvalid("category: name it in at most 20 letters, as products do")
    if treatment not in TaxRate.Treatment.values:
        raise TaxInvalid(f"treatment: must be one of {', '.join(TaxRate.Treatment.values)}")
    if not name:
        raise TaxInvalid("name: name the tax, as the invoice should: VAT, Sales tax")
    if not 0 <= percent <= 100:
        raise TaxInvalid("percent: must be between 0 and 100")
    if treatment != TaxRate.Treatment.TAXABLE and percent:
        raise TaxInvalid("percent: nothing is charged where it is exempt or reversed; leave it 0")
    row, _ = TaxRate.objects.update_or_create(
        legal_entity=entity,
        country=country,
        category=category,
        defaults={"treatment": treatment, "name": name[:40], "percent": percent},
    )
    _say(entity, f"{name} {plain(percent)} % on {category} in {country or 'other countries'}", now)
    return row


@transaction.atomic
def remove_tax_rate(*, rate_id: UUID, now: datetime) -> None:
    """Take a rate back; its lines fall back on the customer's own."""
    row = TaxRate.objects.select_related("legal_entity").get(id=rate_id)
    _say(row.legal_entity, f"no rate on {row.category} in {row.country or 'other countries'}", now)
    row.delete()


@transaction.atomic
def set_tax_method(
    *, legal_entity_id: UUID, method: str, prices_include_tax: bool, now: datetime
) -> TaxSetting:
    """Say how an entity adds tax up and whether prices contain it, on invoices opened from now on.

    :raises TaxInvalid: naming the field.
    """
    entity = LegalEntity.objects.get(id=legal_entity_id)
    if method not in TaxSetting.Method.values:
        raise TaxInvalid(f"method: must be one of {', '.join(TaxSetting.Method.values)}")
    if prices_include_tax and method != TaxSetting.Method.PER_LINE:
        raise TaxInvalid("method: tax that is inside the prices is taken out line by line")
    row, _ = TaxSetting.objects.update_or_create(
        legal_entity=entity,
        defaults={"method": method, "prices_include_tax": prices_include_tax},
    )
    contained = "prices contain it" if prices_include_tax else "on top of prices"
    _say(entity, f"{row.get_method_display()}; {contained}", now)
    return row


def categories() -> list[str]:
    """Return the tax categories in use, the standard one first."""
    used: Iterable[str] = {
        *Product.objects.values_list("tax_category", flat=True),
        *TaxRate.objects.values_list("category", flat=True),
    }
    return [STANDARD, *sorted(set(used) - {STANDARD})]


def _say(entity: LegalEntity, what: str, now: datetime) -> None:
    append_event(
        type="tax.changed",
        subject=f"legal-entity/{entity.id}",
        data={"legal_entity_id": str(entity.id), "what": what},
        occurred_at=now,
    )

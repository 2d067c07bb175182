"""Which tax a line carries: its product's category, the entity that sells, the customer's country.

What a company has not set falls back on the customer's own rate.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from billing.domain.tax import percent_for, tax_day, tax_lines
from billing.models import CustomerTaxRate, Invoice, InvoiceLine, TaxRate, TaxSetting
from billing.selectors.own_tax import OwnTaxes
from monetization.catalog.models import Product
from monetization.customers.models import Customer
from monetization.events.services import append_event
from monetization.kernel.decimals import plain
from monetization.kernel.errors import Refusal
from monetization.kernel.money import Money
from monetization.tenancy.models import LegalEntity

STANDARD = "standard"
EARLIEST, LATEST = date(1950, 1, 1), date(2199, 12, 31)
Place = tuple[UUID, str, str]  # legal entity, country, category


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

    by_place: Mapping[Place, Sequence[tuple[date, LineRate]]]  # each since a day, latest first
    categories: Mapping[str, str]  # product code -> category, where it is not the standard one
    points: Mapping[UUID, str]  # by legal entity: which day's rate counts, where that was set
    own: OwnTaxes = field(default_factory=lambda: OwnTaxes({}))

    @classmethod
    def load(cls, customer_ids: Iterable[UUID] = ()) -> "Rates":
        """Read the company's rates, and those some customers have from a day on."""
        own = OwnTaxes.load(customer_ids) if customer_ids else OwnTaxes({})
        rows = TaxRate.objects.values_list(
            "legal_entity_id", "country", "category", "percent", "name", "treatment", "valid_from"
        )
        by_place: dict[Place, list[tuple[date, LineRate]]] = defaultdict(list)
        for *place, percent, name, treatment, since in rows:
            rate = LineRate(percent, name, treatment)
            by_place[place[0], place[1], place[2]].append((since or date.min, rate))
        settings = TaxSetting.objects.values_list("legal_entity_id", "tax_point")
        if not by_place:  # then no category has a rate of its own
            return cls({}, {}, dict(settings.all()) if own.by_customer else {}, own)
        for known in by_place.values():
            known.sort(key=lambda each: each[0], reverse=True)
        products = Product.objects.exclude(tax_category=STANDARD)
        return cls(
            by_place, dict(products.values_list("code", "tax_category")), dict(settings.all()), own
        )

    def of(self, invoice: Invoice, product_code: str, service_end: date) -> LineRate:
        """Return the tax of a line: of its place and category on its tax day, else the customer's.

        A customer who is exempt or accounts for the tax pays none on anything. The customer's
        own rate stands for the standard category and goes before the company's.

        :param service_end: of the line, exclusive; with the billing date it says the tax day.
        """
        if not self.by_place and not self.own.by_customer:  # no day decides anything
            return LineRate(percent_for(invoice.tax_treatment, invoice.tax_percent))
        point = self.points.get(invoice.legal_entity_id, TaxSetting.Point.EARLIER)
        day = tax_day(invoice.bill_on, service_end, point)
        treatment, own = self._own(invoice, day)
        if treatment != "taxable":
            return own
        category = self.categories.get(product_code, STANDARD)
        if category == STANDARD and own.percent:
            return own
        country = invoice.customer.country
        for each in dict.fromkeys((country, "")):
            found = self._on(day, (invoice.legal_entity_id, each, category))
            if found is not None:
                return found
        return own

    def _own(self, invoice: Invoice, day: date) -> tuple[str, LineRate]:
        """Return the customer's own treatment and rate on a day."""
        dated = self.own.on(invoice.customer_id, day)
        if dated is None:
            percent = percent_for(invoice.tax_treatment, invoice.tax_percent)
            return invoice.tax_treatment, LineRate(percent)
        differs = dated.treatment != invoice.tax_treatment
        return dated.treatment, LineRate(
            dated.percent, dated.name, dated.treatment if differs else ""
        )

    def _on(self, day: date, place: Place) -> LineRate | None:
        return next((rate for since, rate in self.by_place.get(place, ()) if since <= day), None)

    def known(self) -> list[Any]:
        """Return what a recalculation depends on, as plain data."""
        return [
            sorted([*map(str, place), str(since), plain(rate.percent), rate.name, rate.treatment]
                   for place, several in self.by_place.items() for since, rate in several),
            sorted(self.categories.items()),
            sorted((str(entity), point) for entity, point in self.points.items()),
        ]  # fmt: skip


def rates_on(rows: QuerySet[TaxRate], day: date) -> QuerySet[TaxRate]:
    """Return those of some rates that are in force on a tax day."""
    begun = Q(valid_from__isnull=True) | Q(valid_from__lte=day)
    place = ("legal_entity_id", "country", "category")
    latest = (
        TaxRate.objects.filter(begun, **{each: OuterRef(each) for each in place})
        .order_by(F("valid_from").desc(nulls_last=True))
        .values("id")[:1]
    )
    return rows.filter(id=Subquery(latest))


def customer_rates_on(rows: QuerySet[CustomerTaxRate], day: date) -> QuerySet[CustomerTaxRate]:
    """Return those of some customers' own rates that are in force on a tax day."""
    latest = (
        CustomerTaxRate.objects.filter(valid_from__lte=day, customer=OuterRef("customer"))
        .order_by("-valid_from")
        .values("id")[:1]
    )
    return rows.filter(id=Subquery(latest))


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
    valid_from: date | None = None,
) -> TaxRate:
    """Say what is charged on a category in a country; drafts follow when they are recalculated.

    :param country: two letters; empty for every country without a rate of its own.
    :param valid_from: the first tax day it counts on, past or to come; None: since ever. The rate
        before it holds until then. Another of the same day is written anew.
    :raises TaxInvalid: naming the field.
    """
    entity = LegalEntity.objects.get(id=legal_entity_id)
    country, category = country.strip().upper(), category.strip()
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise TaxInvalid("country: two letters, such as DE; empty for every other country")
    if not category or len(category) > 20:
        raise TaxInvalid("category: name it in at most 20 letters, as products do")
    name = _checked(treatment, name, percent, valid_from)
    row, _ = TaxRate.objects.update_or_create(
        legal_entity=entity,
        country=country,
        category=category,
        valid_from=valid_from,
        defaults={"treatment": treatment, "name": name, "percent": percent},
    )
    since = f" from {valid_from}" if valid_from else ""
    place = country or "other countries"
    _say(entity, f"{name} {plain(percent)} % on {category} in {place}{since}", now)
    return row


def _checked(treatment: str, name: str, percent: Decimal, valid_from: date | None) -> str:
    """Refuse what is no tax; return its name as it is kept."""
    if treatment not in TaxRate.Treatment.values:
        raise TaxInvalid(f"treatment: must be one of {', '.join(TaxRate.Treatment.values)}")
    if not name.strip():
        raise TaxInvalid("name: name the tax, as the invoice should: VAT, Sales tax")
    if not 0 <= percent <= 100:
        raise TaxInvalid("percent: must be between 0 and 100")
    if treatment != TaxRate.Treatment.TAXABLE and percent:
        raise TaxInvalid("percent: nothing is charged where it is exempt or reversed; leave it 0")
    if valid_from is not None and not EARLIEST <= valid_from <= LATEST:
        raise TaxInvalid(f"valid_from: must be between {EARLIEST} and {LATEST}")
    return name.strip()[:40]


@transaction.atomic
def set_customer_tax(
    *,
    customer_id: UUID,
    valid_from: date,
    treatment: str,
    name: str,
    percent: Decimal,
    now: datetime,
) -> CustomerTaxRate:
    """Say what a customer is charged from a day on; drafts follow when they are recalculated.

    :param valid_from: the first tax day, past or to come. What the profile or the tax before it
        says holds until then. Another of the same day is written anew.
    :raises TaxInvalid: naming the field.
    """
    customer = Customer.objects.get(id=customer_id)
    name = _checked(treatment, name, percent, valid_from)
    row, _ = CustomerTaxRate.objects.update_or_create(
        customer=customer,
        valid_from=valid_from,
        defaults={"treatment": treatment, "name": name, "percent": percent},
    )
    _say_of(customer, f"{row.get_treatment_display()}: {name} {plain(percent)} %", row, now)
    return row


@transaction.atomic
def remove_customer_tax(*, rate_id: UUID, now: datetime) -> None:
    """Take a customer's tax of a day back; what held before it holds on."""
    row = CustomerTaxRate.objects.select_related("customer").get(id=rate_id)
    _say_of(row.customer, f"no longer {row.name} {plain(row.percent)} %", row, now)
    row.delete()


def _say_of(customer: Customer, what: str, row: CustomerTaxRate, now: datetime) -> None:
    append_event(
        type="customer.tax_changed",
        subject=f"customer/{customer.id}",
        data={"customer_id": str(customer.id), "what": f"{what} from {row.valid_from}"},
        occurred_at=now,
    )


@transaction.atomic
def remove_tax_rate(*, rate_id: UUID, now: datetime) -> None:
    """Take a rate back; its lines fall back on the one before it, or the customer's own."""
    row = TaxRate.objects.select_related("legal_entity").get(id=rate_id)
    since = f" from {row.valid_from}" if row.valid_from else ""
    place = row.country or "other countries"
    _say(row.legal_entity, f"no rate on {row.category} in {place}{since}", now)
    row.delete()


@transaction.atomic
def set_tax_method(
    *,
    legal_entity_id: UUID,
    method: str,
    prices_include_tax: bool,
    now: datetime,
    tax_point: str = TaxSetting.Point.EARLIER,
) -> TaxSetting:
    """Say how an entity adds tax up and whether prices contain it, on invoices opened from now on.

    :param tax_point: which day's rate a line has, see ``tax_day``; open drafts follow.

    :raises TaxInvalid: naming the field.
    """
    entity = LegalEntity.objects.get(id=legal_entity_id)
    if method not in TaxSetting.Method.values:
        raise TaxInvalid(f"method: must be one of {', '.join(TaxSetting.Method.values)}")
    if tax_point not in TaxSetting.Point.values:
        raise TaxInvalid(f"tax_point: must be one of {', '.join(TaxSetting.Point.values)}")
    if prices_include_tax and method != TaxSetting.Method.PER_LINE:
        raise TaxInvalid("method: tax that is inside the prices is taken out line by line")
    row, _ = TaxSetting.objects.update_or_create(
        legal_entity=entity,
        defaults={
            "method": method,
            "prices_include_tax": prices_include_tax,
            "tax_point": tax_point,
        },
    )
    contained = "prices contain it" if prices_include_tax else "on top of prices"
    day = row.get_tax_point_display().lower()
    _say(entity, f"{row.get_method_display()}; {contained}; rate of {day}", now)
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

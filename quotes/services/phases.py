"""Write the phases of a draft: the catalog is read once, each table written once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from monetization.catalog.models import PriceVersion, Product
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data, modifiers_to_data
from quotes.domain.assembly import number
from quotes.models import QuoteLine, QuotePhase, QuoteVersion
from quotes.services.commitments import read_term_discount

Row = dict[str, Any]


def write_phases(version: QuoteVersion, rows: Sequence[Row]) -> None:
    """Replace the phases of a locked draft.

    :param rows: as ``save_draft`` takes them.
    :raises PriceError: naming the field that cannot be read.
    """
    catalog = _Catalog.read(rows)
    phases: list[QuotePhase] = []
    lines: list[QuoteLine] = []
    for position, row in enumerate(rows):
        phase = _phase(version, position, row)
        phases.append(phase)
        lines += _lines(phase, row.get("lines", []), f"phases[{position}]", catalog)
    version.phases.all().delete()
    QuotePhase.objects.bulk_create(phases)
    QuoteLine.objects.bulk_create(lines)
    if any(line.is_optional for line in lines):
        _settle_choices(version)


@dataclass(frozen=True, slots=True)
class _Catalog:
    """What some lines name: products by code, list prices by id."""

    products: dict[str, Product]
    prices: dict[UUID, PriceVersion]

    @classmethod
    def read(cls, phases: Sequence[Row]) -> "_Catalog":
        lines = [line for phase in phases for line in phase.get("lines", [])]
        codes = {str(line.get("product", "")) for line in lines}
        ids = {_uuid(line.get("price_version")) for line in lines} - {None}
        products = Product.objects.filter(code__in=codes)
        prices = PriceVersion.objects.filter(id__in=ids).select_related("price__meter")
        return cls(
            {product.code: product for product in products},
            {price.id: price for price in prices} if ids else {},
        )

    def price_of(
        self, value: Any, product: Product, currency: str, path: str
    ) -> PriceVersion | None:
        """Return the list price a line names, if it names one.

        :raises PriceError: if it is another product's or in another currency.
        """
        if not value:
            return None
        key = _uuid(value)
        found = self.prices.get(key) if key else None
        if found is None or found.price.product_id != product.id:
            raise PriceError(f"{path}.price_version: is not a price of {product.name}")
        if found.price.currency != currency:
            raise PriceError(
                f"{path}.price_version: is in {found.price.currency}, the quote in {currency}; "
                f"choose the product's price in {currency}, or none and agree on one of its own"
            )
        return found


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _phase(version: QuoteVersion, position: int, row: Row) -> QuotePhase:
    path = f"phases[{position}]"
    months = row.get("months")
    percent = number(row.get("discount_percent"), f"{path}.discount_percent")
    _percent(percent, f"{path}.discount_percent")
    return QuotePhase(
        version=version,
        position=position + 1,
        name=str(row.get("name") or f"Phase {position + 1}")[:80],
        kind=str(row.get("kind") or "standard"),
        months=None if months in (None, "") else integer(months, f"{path}.months", 1, 240),
        minimum_amount=number(row.get("minimum_amount"), f"{path}.minimum_amount"),
        minimum_frequency=str(row.get("minimum_frequency") or ""),
        discount_percent=percent or 0,
        discount_label=str(row.get("discount_label") or "")[:120],
    )


def _lines(phase: QuotePhase, rows: Sequence[Row], path: str, catalog: _Catalog) -> list[QuoteLine]:
    found: dict[str, QuoteLine] = {}
    for index, row in enumerate(rows):
        place = f"{path}.lines[{index}]"
        line = _line(phase, index, row, place, catalog)
        if line.item_key in found:
            raise PriceError(f"{place}.item_key: {line.item_key!r} appears twice in the phase")
        found[line.item_key] = line
    return list(found.values())


def _line(phase: QuotePhase, index: int, row: Row, path: str, catalog: _Catalog) -> QuoteLine:
    product = catalog.products.get(str(row.get("product", "")))
    if product is None:
        raise PriceError(f"{path}.product: no product has the code {row.get('product')!r}")
    currency = phase.version.currency
    listed = catalog.price_of(row.get("price_version"), product, currency, path)
    percent = number(row.get("discount_percent"), f"{path}.discount_percent")
    _percent(percent, f"{path}.discount_percent")
    price = listed.price if listed else None
    meter = price.meter.key if price and price.meter else ""
    return QuoteLine(
        phase=phase,
        position=index + 1,
        item_key=str(row.get("item_key") or product.code),
        product=product,
        price_version=listed,
        description=str(row.get("description") or "")[:300],
        model=row.get("model") or (listed.model if listed else {}),
        modifiers=_modifiers(row, listed, f"{path}.modifiers"),
        quantity=number(row.get("quantity"), f"{path}.quantity"),
        expected_quantity=number(row.get("expected_quantity"), f"{path}.expected_quantity"),
        meter_key=str(row.get("meter_key") or meter),
        frequency=str(row.get("frequency") or (price.frequency if price else "monthly")),
        timing=str(row.get("timing") or (price.timing if price else "in_advance")),
        proration=str(row.get("proration") or (price.proration if price else "daily")),
        discount_percent=percent or 0,
        is_optional=bool(row.get("is_optional")) or bool(row.get("choice_group")),
        is_chosen=bool(row.get("is_chosen")),
        choice_group=" ".join(str(row.get("choice_group") or "").split())[:60],
        **read_term_discount(row, path),
    )


def _settle_choices(version: QuoteVersion) -> None:
    """Choose an item in all phases alike, and one of each group of alternatives.

    :raises PriceError: naming the second alternative that was chosen.
    """
    lines = QuoteLine.objects.filter(phase__version=version, is_optional=True)
    rows = list(lines.select_related("phase").order_by("phase__position", "position"))
    chosen = {row.item_key for row in rows if row.is_chosen}
    taken: dict[str, str] = {}
    for row in rows:
        if not row.choice_group or row.item_key not in chosen:
            continue
        other = taken.setdefault(row.choice_group, row.item_key)
        if other != row.item_key:
            path = f"phases[{row.phase.position - 1}].lines[{row.position - 1}]"
            raise PriceError(
                f"{path}.choice_group: {other} is chosen already; one alternative is in the offer"
            )
    for row in rows:
        if row.choice_group:
            chosen.add(taken.setdefault(row.choice_group, row.item_key))
    lines.filter(item_key__in=chosen).update(is_chosen=True)


def _modifiers(row: Row, listed: PriceVersion | None, path: str) -> dict[str, Any]:
    """Read what a line says beside its charge model; what the list price says if it is silent.

    :raises PriceError: naming the field.
    """
    given = row.get("modifiers")
    if given is None:
        return dict(listed.modifiers) if listed else {}
    return modifiers_to_data(modifiers_from_data(given, path))


def _percent(value: Any, path: str) -> None:
    if value is not None and value > 100:
        raise PriceError(f"{path}: must be from 0 to 100")


def integer(value: Any, path: str, low: int, high: int) -> int:
    """Return a whole number.

    :raises PriceError: naming the field.
    """
    text = str(value)
    if not text.isascii() or not text.isdigit() or not low <= int(text[:6]) <= high:
        raise PriceError(f"{path}: must be a whole number from {low} to {high}")
    return int(text)

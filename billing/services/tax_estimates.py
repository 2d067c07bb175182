"""What a quote says of tax: that of its first invoice, by the functions that will bill it."""

from collections.abc import Sequence
from decimal import Decimal

from billing.domain.tax import tax_lines
from billing.models import Invoice
from billing.services.taxing import LATEST, LineRate, Rates, tax_fields_of
from monetization.kernel.money import Money
from monetization.pricing.estimate import PricedLine
from monetization.pricing.terms import ItemTerms, OrderTerms, TaxShare, TaxTerms
from quotes.models import QuoteVersion

Place = tuple[str, str, Money, LineRate]  # key, name of the product, what it costs, its tax


def estimated_tax(
    version: QuoteVersion, terms: OrderTerms, lines: Sequence[PricedLine]
) -> TaxTerms:
    """Return the tax of a contract's first invoice, at the rates known today.

    :param lines: of that invoice, before tax; without any, nothing but usage is sold and only
        the rates are known.
    """
    customer, entity_id = version.quote.customer, version.legal_entity_id
    invoice = Invoice(
        customer=customer,
        legal_entity_id=entity_id,
        currency=terms.currency,
        bill_on=lines[0].bill_on if lines else terms.start_on,
        **tax_fields_of(customer, entity_id),
    )
    places = _places(invoice, terms, lines)
    taxed = tax_lines(
        [(key, amount, rate.percent) for key, _, amount, rate in places],
        currency=terms.currency,
        method=invoice.tax_method,
        inclusive=invoice.prices_include_tax,
    )
    found: dict[tuple[Decimal, str, str], list[Place]] = {}
    for place in places:
        rate = place[3]
        name = rate.name or invoice.tax_name or "Tax"
        treatment = rate.treatment or invoice.tax_treatment
        found.setdefault((rate.percent, name, treatment), []).append(place)
    shares = [
        TaxShare(
            name,
            percent,
            treatment,
            base=sum((taxed[key].net.amount for key, *_ in several), start=Decimal(0)),
            tax=sum((taxed[key].tax.amount for key, *_ in several), start=Decimal(0)),
            products=_in_order(terms, [product for _, product, *_ in several]),
        )
        for (percent, name, treatment), several in found.items()
    ]
    treatments = {share.treatment for share in shares} or {invoice.tax_treatment}
    return TaxTerms(
        treatment=treatments.pop() if len(treatments) == 1 else "taxable",
        shares=tuple(sorted(shares, key=lambda one: (-one.percent, one.name, one.treatment))),
        is_included=invoice.prices_include_tax,
        customer_tax_id=customer.tax_id,
        bill_on=lines[0].bill_on if lines else None,
    )


def _in_order(terms: OrderTerms, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of products, each once, as the contract lists them."""
    listed = [item.product_name for phase in terms.phases for item in phase.items]
    places = {name: place for place, name in reversed(list(enumerate(listed)))}
    return tuple(sorted(dict.fromkeys(names), key=lambda name: places.get(name, len(listed))))


def _places(invoice: Invoice, terms: OrderTerms, lines: Sequence[PricedLine]) -> list[Place]:
    rates = Rates.load([invoice.customer_id])
    if not lines:
        zero = Money.zero(terms.currency)
        items = {item.key: item for phase in terms.phases for item in phase.items}
        return [
            (key, item.product_name, zero, rates.of(invoice, item.product_code, LATEST))
            for key, item in items.items()
        ]
    found: list[Place] = []
    for line in lines:
        item = _item(terms, line)
        rate = rates.of(invoice, item.product_code if item else "", line.service.end)
        found.append((line.key, item.product_name if item else line.label, line.amount, rate))
    return found


def _item(terms: OrderTerms, line: PricedLine) -> ItemTerms | None:
    return None if line.kind == "minimum" else terms.phase(line.phase_key).item(line.item_key)

"""Who sells a quote and in which currency: its customer's usual ones, or others by choice."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from monetization.catalog.models import PriceVersion
from monetization.kernel.money import MoneyError, minor_unit
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import PriceError
from monetization.pricing.terms.modifiers import modifiers_from_data
from monetization.tenancy.models import LegalEntity
from quotes.models import Quote, QuoteVersion
from quotes.selectors import sellable_prices


def read_seller(version: QuoteVersion, payload: Mapping[str, Any]) -> None:
    """Put the legal entity and the currency of a payload on a draft; not saved yet.

    :raises PriceError: naming the field; an amendment keeps those of its contract.
    """
    if payload.get("currency"):
        currency = checked_currency(payload["currency"])
        if currency != version.currency:
            _refuse_for_amendment(version, "currency")
        version.currency = currency
    seller = payload.get("legal_entity")
    if seller and str(seller) != str(version.legal_entity_id):
        _refuse_for_amendment(version, "legal_entity")
        version.legal_entity = entity_of(seller)


def _refuse_for_amendment(version: QuoteVersion, field: str) -> None:
    if version.quote.kind == Quote.Kind.AMENDMENT:
        raise PriceError(f"{field}: an amendment keeps the one of its contract")


def checked_currency(value: Any) -> str:
    """Return a currency's code.

    :raises PriceError: if ISO 4217 does not know it.
    """
    code = str(value).strip().upper()
    try:
        minor_unit(code)
    except MoneyError as error:
        raise PriceError(f"currency: {error}") from None
    return code


def entity_of(value: Any) -> LegalEntity:
    """Return a legal entity by its id.

    :raises PriceError: if there is none.
    """
    try:
        found: LegalEntity | None = LegalEntity.objects.filter(id=UUID(str(value))).first()
    except ValueError:
        found = None
    if found is None:
        raise PriceError("legal_entity: there is none with this id")
    return found


def counterparts(ids: Iterable[Any], currency: str) -> dict[str, PriceVersion]:
    """Return for list prices what the catalog has instead in a currency, by their ids.

    The same product at the same rhythm, of the same meter: the price with the same name, but
    for the currency in it, or the only one there is. A price that has none is left out.
    """
    wanted = PriceVersion.objects.filter(id__in=list(ids)).select_related("price")
    offered = sellable_prices(currency)
    found: dict[str, PriceVersion] = {}
    for version in wanted:
        if version.price.currency == currency:
            found[str(version.id)] = version
            continue
        alike = [one for one in offered if _place(one) == _place(version)]
        named = [one for one in alike if _name(one) == _name(version)]
        for candidates in (named, alike):
            if len(candidates) == 1:
                found[str(version.id)] = candidates[0]
                break
    return found


def _name(version: PriceVersion) -> str:
    """Return what a price is called in any currency: "Platform, yearly (USD)" names its own."""
    return str(version.price.name.replace(version.price.currency, ""))


def _place(version: PriceVersion) -> tuple[Any, ...]:
    price = version.price
    return price.product_id, price.frequency, price.timing, price.meter_id


def phases_in(
    phases: Sequence[Mapping[str, Any]], before: str, currency: str
) -> list[dict[str, Any]]:
    """Return the phases of a payload at the list prices of another currency.

    An amount of its own is nobody's to convert.

    :raises PriceError: naming the first that has none there, or was agreed beside the list.
    """
    ids = {line["price_version"] for phase in phases for line in phase["lines"]} - {None, ""}
    listed = {str(row.id): row for row in PriceVersion.objects.filter(id__in=ids)}
    instead = counterparts(ids, currency)
    found = []
    for position, phase in enumerate(phases):
        at = f"phases[{position}]"
        if phase.get("minimum_amount"):
            raise PriceError(f"{at}.minimum_amount: is agreed in {before}; say it in {currency}")
        lines = []
        for index, line in enumerate(phase["lines"]):
            place = f"{at}.lines[{index}]"
            key = str(line["price_version"] or "")
            if key not in listed or not is_as_listed(line, listed[key]):
                raise PriceError(f"{place}.model: is agreed in {before}; say it in {currency}")
            if key not in instead:
                raise PriceError(
                    f"{place}.price_version: {line['product']} has no list price in {currency}; "
                    "agree on one of its own"
                )
            other = instead[key]
            lines.append(
                {
                    **line,
                    "price_version": str(other.id),
                    "model": other.model,
                    "modifiers": other.modifiers,
                }
            )
        found.append({**phase, "lines": lines})
    return found


def is_as_listed(line: Mapping[str, Any], listed: PriceVersion) -> bool:
    """Say whether a payload's line is priced as the list does."""
    return price_from_data(line["model"]) == price_from_data(listed.model) and (
        modifiers_from_data(line["modifiers"]) == modifiers_from_data(listed.modifiers)
    )

"""Products, prices and versions as lists and pages read them."""

from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Lower

from monetization.catalog.models import Price, PriceVersion, Product


@dataclass(frozen=True, slots=True)
class PriceVersions:
    """The version of a price in force, and the one being written."""

    published: PriceVersion | None
    draft: PriceVersion | None

    @property
    def shown(self) -> PriceVersion | None:
        return self.published or self.draft


def list_products(
    *, search: str = "", kind: str = "", currency: str = "", archived: str = ""
) -> "QuerySet[Product]":
    """List products with their prices, meters and versions, newest version first.

    :param search: part of a product's or price's name or code.
    :param currency: keeps the products with a price in it, and those prices.
    :param archived: "" for products on sale, "yes" for archived ones, "all" for both.
    """
    prices = Price.objects.filter(is_archived=False).select_related("meter")
    rows = Product.objects.order_by(Lower("name"), "id")
    if search:
        named = Q(name__icontains=search) | Q(code__icontains=search)
        found = prices.filter(named).values("product_id")
        rows = rows.filter(named | Q(id__in=found))
    if kind:
        rows = rows.filter(kind=kind)
    if currency:
        prices = prices.filter(currency=currency)
        rows = rows.filter(id__in=prices.values("product_id"))
    if archived != "all":
        rows = rows.filter(is_archived=archived == "yes")
    versions = PriceVersion.objects.order_by("-number")
    return rows.prefetch_related(
        Prefetch(
            "prices",
            prices.order_by(Lower("name"), "frequency", "currency", "id").prefetch_related(
                Prefetch("versions", versions)
            ),
        )
    )


def price_currencies() -> list[str]:
    """Return the currencies there are prices in, for filters."""
    return sorted(set(Price.objects.values_list("currency", flat=True)))


def versions_of(price: Price) -> PriceVersions:
    """Return the versions that matter now, from those prefetched newest first."""
    versions = list(price.versions.all())
    published = [one for one in versions if one.status == PriceVersion.Status.PUBLISHED]
    drafts = [one for one in versions if one.status == PriceVersion.Status.DRAFT]
    return PriceVersions(published[0] if published else None, drafts[0] if drafts else None)

"""Products, prices and their immutable versions."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from metering.models import Meter
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.events.services import append_event
from monetization.kernel.errors import Refusal
from monetization.kernel.period import Frequency
from monetization.pricing.codec import price_from_data, price_to_data
from monetization.pricing.estimate import check_price
from monetization.pricing.terms.modifiers import modifiers_from_data, modifiers_to_data


class CodeTaken(Refusal):
    """Another product or price has this code."""


class UsageNeedsMeter(Refusal):
    """A usage price says which meter measures it."""


class NoDraftVersion(Refusal):
    """There is no draft version to publish."""


@transaction.atomic
def create_product(
    *,
    code: str,
    name: str,
    kind: str,
    description: str = "",
    recognition: str = "",
    cost_percent: Decimal | None = None,
    tax_category: str = "standard",
) -> Product:
    """Add a product; usage is recognized as used, the rest straight-line unless said otherwise.

    :raises CodeTaken: if the code is in use.
    """
    if Product.objects.filter(code=code).exists():
        raise CodeTaken(f"code: a product with the code {code!r} exists")
    default = "usage" if kind == "usage" else "straight_line"
    return Product.objects.create(
        code=code,
        name=name,
        kind=kind,
        description=description,
        recognition=recognition or default,
        cost_percent=cost_percent,
        tax_category=tax_category or "standard",
    )


@transaction.atomic
def set_product_cost(*, product_id: UUID, cost_percent: Decimal | None) -> Product:
    """Say what a product costs to deliver, in percent of its list price; None: not known."""
    product: Product = Product.objects.select_for_update(of=("self",)).get(id=product_id)
    product.cost_percent = cost_percent
    product.save(update_fields=["cost_percent"])
    return product


@transaction.atomic
def set_product_tax(*, product_id: UUID, tax_category: str) -> Product:
    """Say which tax category a product is in; drafts follow when they are recalculated."""
    product: Product = Product.objects.select_for_update(of=("self",)).get(id=product_id)
    product.tax_category = tax_category or "standard"
    product.save(update_fields=["tax_category"])
    return product


@transaction.atomic
def archive_product(*, product_id: UUID, is_archived: bool) -> Product:
    """Take a product off sale, or put it back; signed contracts are not touched."""
    product: Product = Product.objects.select_for_update(of=("self",)).get(id=product_id)
    product.is_archived = is_archived
    product.save(update_fields=["is_archived"])
    return product


@transaction.atomic
def create_price(
    *,
    product_id: UUID,
    code: str,
    name: str,
    currency: str,
    frequency: str,
    timing: str,
    model: Any,
    now: datetime,
    meter_id: UUID | None = None,
    proration: str = "daily",
    modifiers: Any = None,
    publish: bool = True,
) -> Price:
    """Add a price with its first version.

    :raises CodeTaken: if the code is in use.
    :raises UsageNeedsMeter: if a usage product gets no meter.
    :raises PriceError: naming the field of the model.
    """
    if Price.objects.filter(code=code).exists():
        raise CodeTaken(f"code: a price with the code {code!r} exists")
    product = Product.objects.get(id=product_id)
    if product.kind == "usage" and meter_id is None:
        raise UsageNeedsMeter("meter: a usage price needs a meter")
    price = Price.objects.create(
        product=product,
        code=code,
        name=name,
        currency=currency,
        frequency=frequency,
        timing="in_arrears" if product.kind == "usage" else timing,
        proration=proration,
        meter=Meter.objects.get(id=meter_id) if meter_id else None,
    )
    draft_version(price_id=price.id, model=model, modifiers=modifiers)
    if publish:
        publish_version(price_id=price.id, now=now)
    return price


@transaction.atomic
def draft_version(*, price_id: UUID, model: Any, modifiers: Any = None) -> PriceVersion:
    """Write the draft of a price's next version; an existing draft is replaced.

    :param modifiers: what the price says beside its charge model; nothing by default.
    :raises PriceError: naming the field of the model, or of the modifiers.
    """
    charge, beside = price_from_data(model), modifiers_from_data(modifiers)
    data, beside_data = price_to_data(charge), modifiers_to_data(beside)
    price = Price.objects.select_for_update(of=("self",)).select_related("product").get(id=price_id)
    check_price(charge, beside, kind=price.product.kind, frequency=Frequency(price.frequency))
    draft = price.versions.filter(status=PriceVersion.Status.DRAFT).first()
    if draft is not None:
        draft.model, draft.modifiers = data, beside_data
        draft.save(update_fields=["model", "modifiers"])
        return draft
    last = price.versions.order_by("-number").values_list("number", flat=True).first() or 0
    return PriceVersion.objects.create(
        price=price, number=last + 1, model=data, modifiers=beside_data
    )


@transaction.atomic
def publish_version(*, price_id: UUID, now: datetime) -> PriceVersion:
    """Publish a price's draft: from now on it never changes.

    :raises NoDraftVersion: if there is none.
    """
    draft = (
        PriceVersion.objects.select_for_update(of=("self",))
        .filter(price_id=price_id, status=PriceVersion.Status.DRAFT)
        .first()
    )
    if draft is None:
        raise NoDraftVersion("this price has no draft to publish")
    draft.status, draft.published_at = PriceVersion.Status.PUBLISHED, now
    draft.save(update_fields=["status", "published_at"])
    append_event(
        type="price_version.published",
        subject=f"price/{price_id}",
        data={"price_id": str(price_id), "number": str(draft.number)},
        occurred_at=now,
    )
    return draft

"""One price: its numbers, its versions, its curve, and what a quantity costs."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from monetization.catalog import services
from monetization.catalog.models import Price, PriceVersion, Product
from monetization.catalog.web import describing, drawing
from monetization.catalog.web.charge_form import ChargeForm, is_editable
from monetization.catalog.web.forms import CalculatorForm, PriceForm
from monetization.catalog.web.sampling import Sample
from monetization.interface.access import member_required
from monetization.interface.forms import CURRENCIES
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.codec import price_from_data
from monetization.pricing.prices import Flat, PriceError
from monetization.tenancy.context import current_tenant_id
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest


@member_required("catalog:write")
def price_create(request: TenantRequest, product_id: UUID) -> HttpResponse:
    """Add a price to a product, with the numbers of its first version."""
    product = get_object_or_404(Product, id=product_id)
    sent = request.POST if request.method == "POST" else None
    charge = ChargeForm(sent, kind=product.kind, initial=_usual_model(product))
    saving = sent is not None and charge.wants_saving
    form = _price_form(request, product, bound=saving)
    frequency = str(request.POST.get("frequency", "monthly"))
    if saving and form.is_valid() & charge.is_valid(frequency):
        try:
            price = services.create_price(
                product_id=product.id,
                code=form.cleaned_data["code"],
                name=form.cleaned_data["name"],
                currency=form.cleaned_data["currency"],
                frequency=form.cleaned_data["frequency"],
                timing=form.cleaned_data.get("timing", "in_arrears"),
                proration=form.cleaned_data["proration"],
                meter_id=getattr(form.cleaned_data.get("meter"), "id", None),
                model=charge.value,
                modifiers=charge.modifiers,
                publish="publish" in request.POST,
                now=timezone.now(),
            )
        except (Refusal, PriceError) as error:
            form.refuse(error)
        else:
            to = reverse("catalog:price-detail", args=[price.id])
            return done(request, f"{price.name} is added.", to)
    context = {
        "product": product,
        "form": form,
        "charge": charge,
        "publish": sent is None or "publish" in sent,
        "currencies": CURRENCIES,
    }
    return render(request, "catalog/price_form.html", context, status=422 if saving else 200)


def _usual_model(product: Product) -> dict[str, Any]:
    return {"model": {"fixed": "flat", "seat": "per_unit"}.get(product.kind, "graduated")}


def _price_form(request: TenantRequest, product: Product, *, bound: bool) -> PriceForm:
    if bound:
        return PriceForm(request.POST, product=product)
    tenant = Tenant.objects.get(id=current_tenant_id())
    initial = {"currency": tenant.default_currency, **request.POST.dict()}
    return PriceForm(initial=initial, product=product)


def _price_or_404(price_id: UUID) -> Any:
    rows = Price.objects.select_related("product", "meter")
    return get_object_or_404(rows, id=price_id)


def _unit(price: Price) -> str:
    if price.meter is not None:
        return str(price.meter.unit)
    return "seats" if price.product.kind == Product.Kind.SEAT else "units"


@require_GET
@member_required("catalog:read")
def price_detail(request: TenantRequest, price_id: UUID) -> HttpResponse:
    """Show a price: one version's numbers and curve, all versions, the calculator."""
    price = _price_or_404(price_id)
    versions = list(price.versions.order_by("-number"))
    version = _chosen_version(versions, request.GET.get("version", ""))
    principal = request.principal
    context: dict[str, Any] = {
        "price": price,
        "unit": _unit(price),
        "version": version,
        "versions": [
            (one, describing.summary(price_from_data(one.model), price.currency))
            for one in versions
        ],
        "draft": next((v for v in versions if v.status == PriceVersion.Status.DRAFT), None),
        "may_write": principal.may("catalog:write"),
    }
    if version is not None:
        context |= _drawn(request, price, version)
    return render(request, "catalog/price.html", context)


def _chosen_version(versions: list[Any], wanted: str) -> Any:
    """Return the version asked for by number, else the one in force, else the draft."""
    for version in versions:
        if wanted and str(version.number) == wanted:
            return version
    published = [one for one in versions if one.status == PriceVersion.Status.PUBLISHED]
    return (published or versions or [None])[0]


def _drawn(request: TenantRequest, price: Price, version: PriceVersion) -> dict[str, Any]:
    sample = Sample(price, version, request.GET)
    model, modifiers, unit = sample.model, sample.modifiers, _unit(price)
    form = CalculatorForm(request.GET or None)
    form.is_valid()
    asked = form.cleaned_data if form.is_bound else {}
    included = modifiers.included.units if modifiers.included else Decimal(0)
    up_to: Decimal = asked.get("up_to") or drawing.default_range(model, included)
    found: dict[str, Any] = {
        "model_label": version.model["model"].replace("_", " ").capitalize(),
        "model": version.model,
        "is_flat": isinstance(model, Flat),
        "tiers": describing.tier_rows(model, price.currency),
        "facts": describing.facts(model, price.currency, unit),
        "beside": describing.modifier_facts(modifiers, price.currency, unit),
        "choosers": sample.choosers,
        "unit": price.currency if isinstance(model, describing.OF_MONEY) else unit,
        "form": form,
        "up_to": up_to,
        **_calculated(sample, asked.get("quantity")),
    }
    if not found["is_flat"]:
        points = drawing.even_points(sample, up_to)
        found["total_chart"], found["unit_chart"] = drawing.charts(
            points, price.currency, found["unit"]
        )
        found["points"] = drawing.table_points(sample, up_to)
    return found


def _calculated(sample: Sample, units: Decimal | None) -> dict[str, Any]:
    if units is None:
        return {"calculation": None}
    return {"calculation": drawing.calculate(sample, units)}


@require_GET
@member_required("catalog:read")
def price_calculate(request: TenantRequest, price_id: UUID) -> HttpResponse:
    """Answer with the steps from a quantity to an amount."""
    price = _price_or_404(price_id)
    versions = list(price.versions.order_by("-number"))
    version = _chosen_version(versions, request.GET.get("version", ""))
    form = CalculatorForm(request.GET)
    asked = form.cleaned_data.get("quantity") if form.is_valid() else None
    context = {"price": price, "unit": _unit(price), "form": form, "calculation": None}
    if version is not None:
        context |= _calculated(Sample(price, version, request.GET), asked)
    return render(request, "catalog/_calculation.html", context)


@member_required("catalog:write")
def price_draft(request: TenantRequest, price_id: UUID) -> HttpResponse:
    """Write the draft of the next version, starting from the numbers there are."""
    price = _price_or_404(price_id)
    latest = price.versions.order_by("-number").first()
    if latest is not None and not is_editable(latest.model):
        refusal = Refusal("The numbers of this kind of price are written through the API.")
        return refused(request, refusal, reverse("catalog:price-detail", args=[price.id]))
    sent = request.POST if request.method == "POST" else None
    charge = ChargeForm(
        sent,
        kind=price.product.kind,
        initial=latest.model if latest else _usual_model(price.product),
        modifiers=latest.modifiers if latest else None,
    )
    saving = sent is not None and charge.wants_saving
    if saving and charge.is_valid(price.frequency):
        try:
            version = services.draft_version(
                price_id=price.id, model=charge.value, modifiers=charge.modifiers
            )
        except (Refusal, PriceError) as error:
            charge.model.refuse(error)
        else:
            to = f"{reverse('catalog:price-detail', args=[price.id])}?version={version.number}"
            said = f"Draft version {version.number} is saved. Nothing uses it until you publish it."
            return done(request, said, to)
    context = {"price": price, "product": price.product, "charge": charge}
    return render(request, "catalog/draft_form.html", context, status=422 if saving else 200)


@require_POST
@member_required("catalog:write")
def price_publish(request: TenantRequest, price_id: UUID) -> HttpResponse:
    """Publish the draft: new quotes use it, and it never changes again."""
    price = _price_or_404(price_id)
    to = reverse("catalog:price-detail", args=[price.id])
    try:
        version = services.publish_version(price_id=price.id, now=timezone.now())
    except Refusal as refusal:
        return refused(request, refusal, to)
    return done(request, f"Version {version.number} is published. New quotes use it.", to)

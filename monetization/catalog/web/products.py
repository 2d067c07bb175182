"""The list of products with their prices, and one product."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from monetization.catalog import selectors, services
from monetization.catalog.models import Price, Product
from monetization.catalog.web.describing import summary
from monetization.catalog.web.forms import ProductCostForm, ProductFilterForm, ProductForm
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.htmx import done, refused
from monetization.kernel.errors import Refusal
from monetization.pricing.codec import price_from_data
from monetization.users.permissions import TenantRequest

PER_PAGE = 50


def price_row(price: Price) -> dict[str, Any]:
    """Return a price with its versions and its numbers in a few words."""
    versions = selectors.versions_of(price)
    shown = versions.shown
    words = summary(price_from_data(shown.model), price.currency) if shown else "No numbers yet"
    return {"price": price, "versions": versions, "summary": words}


@require_GET
@member_required("catalog:read")
def product_list(request: TenantRequest) -> HttpResponse:
    """List products, fifty a page, each with its prices."""
    filters = ProductFilterForm(request.GET).chosen()
    page = Paginator(selectors.list_products(**filters), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "groups": [(product, [price_row(p) for p in product.prices.all()]) for product in page],
        "filters": filters,
        "is_filtered": any(filters.values()),
        "kinds": Product.Kind.choices,
        "currencies": selectors.price_currencies(),
    }
    return render(request, "catalog/list.html", context)


@require_GET
@member_required("catalog:read")
def price_export(request: TenantRequest) -> HttpResponseBase:
    """Answer with the prices of the list, as filtered, as a CSV file."""
    filters = ProductFilterForm(request.GET).chosen()
    header = (
        "Product", "Product code", "Charged as", "Price", "Price code", "Currency", "Billed",
        "When", "Meter", "Numbers", "Version", "State",
    )  # fmt: skip
    rows = []
    for product in selectors.list_products(**filters):
        for price in product.prices.all():
            row = price_row(price)
            shown = row["versions"].shown
            rows.append(
                (
                    product.name, product.code, product.get_kind_display(), price.name, price.code,
                    price.currency, price.get_frequency_display(), price.get_timing_display(),
                    price.meter.name if price.meter else "", row["summary"],
                    shown.number if shown else "", shown.get_status_display() if shown else "",
                )
            )  # fmt: skip
    return csv_response("prices.csv", header, rows)


@member_required("catalog:read", write="catalog:write")
def product_create(request: TenantRequest) -> HttpResponse:
    """Add a product."""
    form = ProductForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            product = services.create_product(**form.cleaned_data)
        except Refusal as refusal:
            form.refuse(refusal)
        else:
            to = reverse("catalog:product-detail", args=[product.id])
            return done(request, f"{product.name} is added. Give it a price.", to)
    status = 422 if form.errors else 200
    return render(request, "catalog/product_form.html", {"form": form}, status=status)


@require_GET
@member_required("catalog:read")
def product_detail(request: TenantRequest, product_id: UUID) -> HttpResponse:
    """Show a product and its prices."""
    rows = selectors.list_products(archived="all")
    product = get_object_or_404(rows, id=product_id)
    context = {
        "product": product,
        "rows": [price_row(price) for price in product.prices.all()],
        "may_write": request.principal.may("catalog:write"),
        "cost_form": ProductCostForm(
            initial={"cost_percent": product.cost_percent, "tax_category": product.tax_category}
        ),
    }
    return render(request, "catalog/product.html", context)


@require_POST
@member_required("catalog:write")
def product_cost(request: TenantRequest, product_id: UUID) -> HttpResponse:
    """Say what a product costs to deliver and how it is taxed."""
    product = get_object_or_404(Product, id=product_id)
    to = reverse("catalog:product-detail", args=[product.id])
    form = ProductCostForm(request.POST)
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        return refused(request, Refusal(f"{form.fields[field].label}: {problems[0]}"), to)
    data = form.cleaned_data
    services.set_product_cost(product_id=product.id, cost_percent=data["cost_percent"])
    services.set_product_tax(product_id=product.id, tax_category=data["tax_category"])
    return done(request, f"Cost and tax of {product.name} are noted.", to)


@require_POST
@member_required("catalog:write")
def product_archive(request: TenantRequest, product_id: UUID) -> HttpResponse:
    """Take a product off sale, or put it back; signed contracts are not touched."""
    product = get_object_or_404(Product, id=product_id)
    archive = request.POST.get("archive") == "yes"
    services.archive_product(product_id=product.id, is_archived=archive)
    said = "archived. Signed contracts go on unchanged" if archive else "on sale again"
    to = reverse("catalog:product-detail", args=[product.id])
    return done(request, f"{product.name} is {said}.", to)

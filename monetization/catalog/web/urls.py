from django.urls import path

from monetization.catalog.web import pricing, products, term_discounts

app_name = "catalog"
urlpatterns = [
    path("", products.product_list, name="product-list"),
    path("export.csv", products.price_export, name="export"),
    path("products/new", products.product_create, name="product-create"),
    path("products/<uuid:product_id>", products.product_detail, name="product-detail"),
    path("products/<uuid:product_id>/archive", products.product_archive, name="product-archive"),
    path("products/<uuid:product_id>/cost", products.product_cost, name="product-cost"),
    path("products/<uuid:product_id>/prices/new", pricing.price_create, name="price-create"),
    path("prices/<uuid:price_id>", pricing.price_detail, name="price-detail"),
    path("prices/<uuid:price_id>/calculate", pricing.price_calculate, name="price-calculate"),
    path("prices/<uuid:price_id>/draft", pricing.price_draft, name="price-draft"),
    path("prices/<uuid:price_id>/publish", pricing.price_publish, name="price-publish"),
    path("term-discounts", term_discounts.rule_list, name="term-discounts"),
    path("term-discounts/new", term_discounts.rule_create, name="term-discount-create"),
    path("term-discounts/<uuid:rule_id>", term_discounts.rule_edit, name="term-discount"),
    path(
        "term-discounts/<uuid:rule_id>/delete",
        term_discounts.rule_delete,
        name="term-discount-delete",
    ),
]

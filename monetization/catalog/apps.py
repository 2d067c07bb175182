from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "monetization.catalog"
    label = "catalog"

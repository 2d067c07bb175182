from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "monetization.catalog"
    label = "catalog"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        register_event_type(
            "price_version.published", "Price published", required=("price_id", "number")
        )

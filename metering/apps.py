from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from metering import handlers
        from monetization.events.schemas import register_event_type
        from monetization.events.services import subscribe

        register_event_type("meter.created", "Meter created", required=("meter_id", "key"))
        subscribe("alias.mapped", "metering.attribute_alias", handlers.on_alias_mapped)

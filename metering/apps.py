from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        register_event_type("meter.created", "Meter created", required=("meter_id", "key"))

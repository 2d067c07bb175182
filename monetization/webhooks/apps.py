from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "monetization.webhooks"
    label = "webhooks"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type
        from monetization.events.services import watch
        from monetization.webhooks import services

        register_event_type(
            services.TESTED,
            "A webhook endpoint was tested",
            required=("endpoint_id", "url"),
        )
        register_event_type(
            "webhook.disabled",
            "A webhook endpoint was switched off",
            required=("endpoint_id", "url", "reason"),
        )
        watch("webhooks.fan_out", services.fan_out, wants=services.is_wanted)

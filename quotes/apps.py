from django.apps import AppConfig


class QuotesConfig(AppConfig):
    name = "quotes"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        for name in ("created", "sent", "viewed", "accepted", "declined", "expired", "superseded"):
            register_event_type(
                f"quote.{name}",
                f"Quote {name}",
                required=("quote_id", "version_id"),
                optional=("reason",),
            )
        register_event_type(
            "order_form.signed",
            "Order form signed",
            required=("order_form_id", "quote_id", "version_id", "customer_id"),
        )

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "monetization.ledger"
    label = "ledger"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        register_event_type("accounting_period.closed", "Month closed", required=("month",))
        register_event_type(
            "accounting_period.reopened", "Month reopened", required=("month", "reason")
        )

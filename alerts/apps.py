from django.apps import AppConfig


class AlertsConfig(AppConfig):
    name = "alerts"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        register_event_type(
            "alert.triggered",
            "Alert triggered",
            required=(
                "alert_id",
                "rule_id",
                "rule",
                "customer_id",
                "customer",
                "metric",
                "direction",
                "value",
                "limit",
                "unit",
                "period_start",
                "period_end",
            ),
            optional=("base", "percent", "schedule_id", "meter"),
        )

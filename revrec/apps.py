from django.apps import AppConfig


class RevrecConfig(AppConfig):
    name = "revrec"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type
        from monetization.events.services import subscribe
        from revrec import handlers

        register_event_type("revenue.recognized", "Revenue recognized", required=("month",))
        subscribe("schedule.activated", "revrec.plan_revenue", handlers.on_schedule_activated)
        subscribe("schedule.ended", "revrec.replan", handlers.on_schedule_ended)
        subscribe("schedule.cancelled", "revrec.replan", handlers.on_schedule_ended)

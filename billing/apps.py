from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type

        for name in ("created", "activated", "suspended", "resumed", "completed", "cancelled"):
            register_event_type(
                f"schedule.{name}", f"Schedule {name}", required=("schedule_id", "customer_id")
            )
        register_event_type(
            "invoice.issued", "Invoice issued", required=("invoice_id", "number", "customer_id")
        )
        register_event_type("invoice.sent", "Invoice sent", required=("invoice_id",))
        register_event_type(
            "invoice.voided", "Invoice voided", required=("invoice_id", "number", "reason")
        )
        register_event_type(
            "credit_note.issued",
            "Credit note issued",
            required=("credit_note_id", "invoice_id", "number"),
        )
        register_event_type(
            "payment.recorded", "Payment recorded", required=("payment_id", "customer_id")
        )

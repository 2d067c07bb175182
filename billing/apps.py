from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import handlers
        from monetization.events.schemas import register_event_type
        from monetization.events.services import subscribe
        from monetization.jobs.services import JobKind, register_job_kind

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
            "invoice.assertions_waived",
            "Failed assertions waived",
            required=("invoice_id", "rules", "reason"),
        )
        register_event_type(
            "credit_note.issued",
            "Credit note issued",
            required=("credit_note_id", "invoice_id", "number"),
        )
        register_event_type(
            "payment.recorded", "Payment recorded", required=("payment_id", "customer_id")
        )
        subscribe("schedule.activated", "billing.open_invoices", handlers.on_schedule_activated)
        register_job_kind(JobKind("invoices.recalculate", handlers.recalculate_item, batch_size=25))
        register_job_kind(JobKind("invoices.issue", handlers.issue_item, batch_size=5))
        register_job_kind(JobKind("invoices.send", handlers.send_item))

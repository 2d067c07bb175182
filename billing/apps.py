from django.apps import AppConfig

BATCH = 500  # invoices computed together: seconds, well within a job's lease
LANES = 4  # of invoices worked at beside each other; those of one customer stay in one

ISSUED_TOGETHER = 200  # about a second, in which nobody else takes a number of the series


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import handlers
        from billing.services.late_usage import ROUTE
        from monetization.events.services import subscribe
        from monetization.jobs.services import JobKind, register_job_kind

        _register_events()
        _register_moves()
        _register_payments()
        _register_credit_requests()
        _register_endings()
        _register_seats()
        _register_credits()
        _register_tax()
        subscribe("schedule.activated", "billing.open_invoices", handlers.on_schedule_activated)
        subscribe("order_form.signed", "billing.apply_amendment", handlers.on_order_form_signed)
        for name, one, many in (
            ("recalculate", handlers.recalculate_item, handlers.recalculate_batch),
            ("preview", handlers.preview_item, handlers.preview_batch),
            ("apply", handlers.apply_item, handlers.apply_batch),
        ):
            kind = JobKind(f"invoices.{name}", one, batch_size=BATCH, run_batch=many, lanes=LANES)
            register_job_kind(kind)
        register_job_kind(JobKind("invoices.approve", handlers.approve_item, batch_size=25))
        register_job_kind(
            JobKind(
                "invoices.issue",
                handlers.issue_item,
                batch_size=ISSUED_TOGETHER,
                run_batch=handlers.issue_batch,
            )
        )
        register_job_kind(ROUTE)
        register_job_kind(
            JobKind(
                "invoices.send",
                handlers.send_item,
                batch_size=20,
                run_batch=handlers.send_batch,
                lanes=LANES,  # one lane queues mail while another is laid out
            )
        )


def _register_tax() -> None:
    from billing.services.tax_estimates import estimated_tax
    from quotes.ports import register_tax_estimator

    register_tax_estimator(estimated_tax)


def _register_events() -> None:
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
    edits = (("added", "Manual line added"), ("changed", "Manual line changed"))
    for name, description in (*edits, ("removed", "Manual line removed")):
        register_event_type(
            f"invoice.line_{name}",
            description,
            required=("invoice_id", "line", "description", "amount"),
        )
    register_event_type("invoice.approved", "Draft approved", required=("invoice_id", "total"))
    register_event_type("invoice.edited", "Draft edited", required=("invoice_id", "fields"))
    register_event_type(
        "invoice.drafted",
        "Invoice drafted",
        required=("invoice_id", "customer_id"),
        optional=("replaces",),
    )
    register_event_type(
        "invoice.written_off",
        "Invoice written off",
        required=("invoice_id", "number", "amount", "reason"),
    )
    register_event_type(
        "invoice.reinstated",
        "Write-off taken back",
        required=("invoice_id", "number", "amount"),
    )
    register_event_type(
        "invoice.reminded", "Reminder sent", required=("invoice_id", "number", "days_late")
    )
    register_event_type(
        "invoice.assertions_waived",
        "Failed assertions waived",
        required=("invoice_id", "rules", "reason"),
    )
    register_event_type(
        "credit_note.sent", "Credit note sent", required=("credit_note_id", "number")
    )
    register_event_type(
        "credit_note.issued",
        "Credit note issued",
        required=("credit_note_id", "invoice_id", "number"),
    )


def _register_payments() -> None:
    from monetization.events.schemas import register_event_type

    register_event_type(
        "payment.recorded", "Payment recorded", required=("payment_id", "customer_id")
    )
    register_event_type(
        "payment.refunded",
        "Money went back to a customer",
        required=("payment_id", "amount", "reference"),
    )
    register_event_type(
        "payment.fee_charged",
        "A payment provider kept its fee",
        required=("payment_id", "amount", "currency"),
    )
    register_event_type(
        "payment.settled",
        "A payment provider paid out",
        required=("reference", "amount", "currency"),
    )


def _register_moves() -> None:
    from monetization.events.schemas import register_event_type

    moves = (("split", "Draft split"), ("merged", "Drafts merged"))
    undone = (("split_undone", "Split taken back"), ("merge_undone", "Merge taken back"))
    for name, description in (*moves, *undone):
        register_event_type(
            f"invoice.{name}", description, required=("invoice_id", "change_id", "lines")
        )
    register_event_type("tax.changed", "Tax rates changed", required=("legal_entity_id", "what"))
    register_event_type(
        "customer.tax_changed", "A customer's tax changed", required=("customer_id", "what")
    )


def _register_credit_requests() -> None:
    from monetization.events.schemas import register_event_type

    words = (("asked", "Credit or void asked for"), ("approved", "Credit or void approved"))
    more = (("declined", "Credit or void declined"), ("withdrawn", "Credit or void withdrawn"))
    for name, description in (*words, *more):
        register_event_type(
            f"credit_request.{name}",
            description,
            required=("invoice_id", "credit_request_id", "total"),
        )


def _register_endings() -> None:
    from monetization.events.schemas import register_event_type

    register_event_type(
        "schedule.automatic_changed",
        "What goes out by itself changed",
        required=("schedule_id", "automatic"),
    )
    register_event_type(
        "schedule.estimate_changed",
        "How usage is estimated changed",
        required=("schedule_id", "item_key", "basis", "quantity"),
    )
    register_event_type(
        "schedule.threshold_changed",
        "Threshold of a contract changed",
        required=("schedule_id", "amount"),
    )
    register_event_type(
        "invoice.threshold_reached",
        "Usage reached a contract's threshold; an invoice is drafted",
        required=(
            "invoice_id",
            "schedule_id",
            "customer_id",
            "threshold",
            "subtotal",
            "currency",
        ),
    )
    register_event_type(
        "schedule.ended",
        "Schedule ended before its term",
        required=("schedule_id", "customer_id", "ended_on"),
        optional=("order_form_id",),
    )


def _register_credits() -> None:
    from monetization.events.schemas import register_event_type

    register_event_type(
        "credits.granted",
        "Credits granted",
        required=("grant_id", "customer_id", "name", "amount", "unit"),
    )
    register_event_type("credits.voided", "Credits voided", required=("grant_id", "name", "reason"))
    register_event_type(
        "credits.overdraft_covered",
        "Overdraft of credits covered by a later grant",
        required=("customer_id", "grants"),
    )
    register_event_type(
        "credits.expired",
        "Credits expired",
        required=("grant_id", "customer_id", "name", "units"),
    )


def _register_seats() -> None:
    from monetization.events.schemas import register_event_type

    register_event_type(
        "seats.recorded",
        "Number of seats recorded",
        required=("schedule_id", "item_key", "effective_on", "balance"),
    )

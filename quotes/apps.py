from django.apps import AppConfig

# What CRMs call the quote, its customer and its opportunity, by the system's name.
ELSEWHERE = (
    "external_ids",
    "customer_external_ids",
    "opportunity_id",
    "opportunity_external_ids",
)


class QuotesConfig(AppConfig):
    name = "quotes"

    def ready(self) -> None:
        from monetization.events.schemas import register_event_type
        from monetization.events.services import subscribe
        from quotes import handlers

        subscribe("schedule.ended", "quotes.end_renewal", handlers.on_schedule_ended)
        _register_renewals()
        for name in ("created", "sent", "viewed", "accepted", "declined", "expired", "superseded"):
            register_event_type(
                f"quote.{name}",
                f"Quote {name}",
                required=("quote_id", "version_id"),
                optional=("reason", *ELSEWHERE),
            )
        register_event_type(
            "quote.signed",
            "A signer signed",
            required=("quote_id", "version_id", "by", "evidence_sha256"),
            optional=ELSEWHERE,
        )
        register_event_type(
            "quote.chosen",
            "The customer chose optional items",
            required=("quote_id", "version_id", "by"),
            optional=ELSEWHERE,
        )
        register_event_type(
            "quote.follows",
            "A contract is amended or renewed",
            required=("quote_id", "version_id", "order_form_id", "kind"),
            optional=ELSEWHERE,
        )
        for name, description in (("asked", "A signer asks"), ("answered", "Shared comment")):
            register_event_type(
                f"quote.{name}",
                description,
                required=("quote_id", "version_id", "by"),
                optional=ELSEWHERE,
            )
        register_event_type(
            "quote.reassigned",
            "Another person signs",
            required=("quote_id", "version_id", "by", "to"),
            optional=("reason", *ELSEWHERE),
        )
        _register_approvals()
        _register_outcomes()


def _register_renewals() -> None:
    from monetization.events.schemas import register_event_type

    for name, description in (
        ("notified", "Customer told of a renewal"),
        ("resumed", "Renews after all"),
        ("opted_out", "Contract will not renew"),
        ("renewed", "Contract renewed by itself"),
    ):
        register_event_type(
            f"renewal.{name}",
            description,
            required=("renewal_id", "order_form_id", "ends_on"),
            optional=("quote_id", "reason"),
        )


def _register_approvals() -> None:
    from monetization.events.schemas import register_event_type

    for name, description in (
        ("approval_requested", "Approval asked for"),
        ("approval_given", "Approval given"),
        ("approval_refused", "Approval refused"),
        ("approval_withdrawn", "Approval request withdrawn"),
        ("approval_handed_over", "Approval handed over"),
    ):
        register_event_type(
            f"quote.{name}",
            description,
            required=("quote_id", "version_id"),
            optional=("rule", "reason", "by", "to", *ELSEWHERE),
        )
    register_event_type(
        "quote.approved",
        "Quote approved",
        required=("quote_id", "version_id"),
        optional=ELSEWHERE,
    )


def _register_outcomes() -> None:
    from monetization.events.schemas import register_event_type

    register_event_type(
        "order_form.signed",
        "Order form signed",
        required=("order_form_id", "quote_id", "version_id", "customer_id"),
        optional=ELSEWHERE,
    )
    for name, description in (
        ("created", "Opportunity noted"),
        ("won", "Opportunity won"),
        ("lost", "Opportunity lost"),
        ("reopened", "Opportunity open again"),
    ):
        register_event_type(
            f"opportunity.{name}",
            description,
            required=("opportunity_id", "customer_id", "name"),
            optional=("external_ids",),
        )

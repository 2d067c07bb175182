from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from billing.ports import register_payment_link, register_payment_notes
        from integrations import handlers
        from integrations.dropbox_sign.methods import register
        from integrations.stripe.disputes import disputes_of
        from integrations.stripe.links import link_if_connected
        from monetization.events.services import subscribe

        register()
        register_payment_link(link_if_connected)
        register_payment_notes(disputes_of)
        subscribe("invoice.issued", "integrations.push_invoice", handlers.on_invoice_issued)
        subscribe("quote.sent", "integrations.open_signature", handlers.on_quote_sent)
        subscribe("quote.chosen", "integrations.open_signature", handlers.on_quote_sent)
        for happened in ("superseded", "expired", "declined"):
            subscribe(
                f"quote.{happened}", "integrations.withdraw_signature", handlers.on_quote_withdrawn
            )

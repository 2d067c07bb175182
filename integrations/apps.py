from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from billing.ports import register_payment_link
        from integrations import handlers
        from integrations.dropbox_sign.methods import register
        from integrations.stripe.links import link_if_connected
        from monetization.events.services import subscribe

        register()
        register_payment_link(link_if_connected)
        subscribe("invoice.issued", "integrations.push_invoice", handlers.on_invoice_issued)
        subscribe("quote.sent", "integrations.open_signature", handlers.on_quote_sent)
        subscribe("quote.chosen", "integrations.open_signature", handlers.on_quote_sent)
        for happened in ("superseded", "expired", "declined"):
            subscribe(
                f"quote.{happened}", "integrations.withdraw_signature", handlers.on_quote_withdrawn
            )

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    name = "integrations"

    def ready(self) -> None:
        from integrations import handlers
        from monetization.events.services import subscribe

        subscribe("invoice.issued", "integrations.push_invoice", handlers.on_invoice_issued)

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "monetization.ledger"
    label = "ledger"

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "monetization.audit"
    label = "audit"

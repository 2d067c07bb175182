from django.apps import AppConfig


class TenancyConfig(AppConfig):
    name = "monetization.tenancy"
    label = "tenancy"

    def ready(self) -> None:
        from . import checks, lookups  # noqa: F401 - they register themselves

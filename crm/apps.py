from django.apps import AppConfig


class CrmConfig(AppConfig):
    name = "crm"

    def ready(self) -> None:
        from crm.services.importing import IMPORT
        from monetization.events.schemas import register_event_type
        from monetization.jobs.services import register_job_kind

        register_job_kind(IMPORT)
        register_event_type(
            "crm.imported",
            "CRM records taken in from a file",
            required=("job_id", "kind", "source", "filename", "rows", "rejected"),
        )

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "metering"

    def ready(self) -> None:
        from metering import handlers
        from metering.imports.services import IMPORT
        from metering.services import meters
        from metering.services.moving import MOVE
        from metering.services.settling import SETTLE
        from monetization.events.schemas import register_event_type
        from monetization.events.services import subscribe
        from monetization.jobs.services import register_job_kind

        register_event_type("meter.created", "Meter created", required=("meter_id", "key"))
        register_event_type(
            "usage.imported",
            "Usage imported from a file",
            required=("job_id", "filename", "rows", "created"),
        )
        register_event_type(
            "usage.repaired",
            "Usage that waited was settled",
            required=("action", "events", "reason"),
        )
        register_event_type(
            "meter.changed",
            "A meter counts by a new definition",
            required=("meter_id", "key", "version"),
        )
        register_job_kind(IMPORT)
        register_job_kind(meters.KIND)
        register_job_kind(SETTLE)
        register_job_kind(MOVE)
        register_event_type(
            "usage.store_changed", "Raw usage is read from another store", required=("store",)
        )
        subscribe("alias.mapped", "metering.attribute_alias", handlers.on_alias_mapped)

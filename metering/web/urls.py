from django.urls import path

from metering.web import (
    customers,
    explorer,
    health,
    imports,
    meter_versions,
    meters,
    queues,
    slashes,
    unmatched,
)

app_name = "metering"
urlpatterns = [
    path("", explorer.usage, name="usage"),
    path("export.csv", explorer.usage_export, name="export"),
    path("table.csv", explorer.usage_table, name="table"),
    path("events/<uuid:event_id>", explorer.event_detail, name="event"),
    path("unmatched", unmatched.unmatched, name="unmatched"),
    path("unmatched.csv", unmatched.unmatched_export, name="unmatched-export"),
    path("quarantine", queues.quarantine, name="quarantine"),
    path("quarantine.csv", queues.quarantine_export, name="quarantine-export"),
    path("conflicts", queues.conflicts, name="conflicts"),
    path("conflicts.csv", queues.conflicts_export, name="conflicts-export"),
    path("health", health.health, name="health"),
    path("meters", meters.meter_list, name="meters"),
    path("meters/new", meters.meter_create, name="meter-create"),
    path("meters/<uuid:meter_id>", meters.meter_detail, name="meter-detail"),
    path("meters/<uuid:meter_id>/versions", meter_versions.meter_versions, name="meter-versions"),
    path("meters/<uuid:meter_id>/versions/new", meter_versions.meter_change, name="meter-change"),
    path(
        "meters/<uuid:meter_id>/versions/cancel",
        meter_versions.version_cancel,
        name="version-cancel",
    ),
    path("meters/<uuid:meter_id>/customers.csv", meters.meter_export, name="meter-export"),
    path("customers/<uuid:customer_id>", customers.customer_usage, name="customer-usage"),
    path("import", imports.import_upload, name="import"),
    path("import/<uuid:upload_id>", imports.import_map, name="import-map"),
    path("imports/<uuid:job_id>/result", imports.import_result, name="import-result"),
    path("imports/<uuid:job_id>/rejects.csv", imports.import_rejects, name="import-rejects"),
    path("<path:rest>/", slashes.without_slash),
]

"""Mounted under ``/compat/``: the rest of each address is the vendor's own."""

from django.urls import path

from metering.api.compat import lago, metronome, openmeter, orb, stripe

urlpatterns = [
    path("stripe/v1/billing/meter_events", stripe.meter_events_v1),
    path("stripe/v2/billing/meter_events", stripe.meter_events_v2),
    path("stripe/v2/billing/meter_event_session", stripe.meter_event_session),
    path("stripe/v2/billing/meter_event_stream", stripe.meter_event_stream),
    path("lago/api/v1/events", lago.create),
    path("lago/api/v1/events/batch", lago.batch),
    path("metronome/v1/ingest", metronome.ingest),
    path("orb/ingest", orb.ingest),
    path("orb/v1/ingest", orb.ingest),
    path("openmeter/api/v1/events", openmeter.ingest),
]

from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "monetization.events"
    label = "events"

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "monetization.jobs"
    label = "jobs"

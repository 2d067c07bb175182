from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "monetization.config"
    label = "config"

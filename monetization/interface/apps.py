from django.apps import AppConfig


class InterfaceConfig(AppConfig):
    name = "monetization.interface"
    label = "interface"

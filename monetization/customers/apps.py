from django.apps import AppConfig


class CustomersConfig(AppConfig):
    name = "monetization.customers"
    label = "customers"

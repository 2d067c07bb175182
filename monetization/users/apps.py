from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "monetization.users"
    label = "users"

from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "monetization.mail"
    label = "mail"

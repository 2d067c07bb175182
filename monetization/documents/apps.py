from django.apps import AppConfig


class DocumentsConfig(AppConfig):
    name = "monetization.documents"
    label = "documents"

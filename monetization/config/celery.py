"""The Celery application. Workers are only woken by it; the truth of every job is a row."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")

app = Celery("monetization")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

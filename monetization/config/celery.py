"""The Celery application. Workers are only woken by it; the truth of every job is a row."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")

app = Celery("monetization")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def _leave_loaded_alone(**_signal: Any) -> None:
    from monetization.config.garbage import leave_loaded_alone

    leave_loaded_alone()

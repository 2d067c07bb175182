import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")

application = get_wsgi_application()

from monetization.config.garbage import leave_loaded_alone  # noqa: E402  (after Django's set-up)

leave_loaded_alone()

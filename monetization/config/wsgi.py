import os

from django.core.wsgi import get_wsgi_application

from monetization.config.garbage import leave_loaded_alone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")

application = get_wsgi_application()
leave_loaded_alone()

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from monetization.config.garbage import leave_loaded_alone
from monetization.config.seats import Seats

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monetization.config.settings")

application = Seats(get_wsgi_application(), settings.REQUESTS_AT_ONCE)
leave_loaded_alone()

"""Where providers call us, outside sign-in; the tenant is in the address, the proof in the call."""

from django.urls import path

from integrations.dropbox_sign.webhooks import callback
from integrations.stripe.webhooks import receive

app_name = "callbacks"
urlpatterns = [
    path("dropbox-sign/<uuid:tenant_id>", callback, name="dropbox-sign"),
    path("stripe/<uuid:tenant_id>", receive, name="stripe"),
]

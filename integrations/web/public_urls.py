"""Where a signer signs with Dropbox Sign: the secret in the address is the permission."""

from django.urls import path

from integrations.web import embedded

app_name = "dropbox_sign"
urlpatterns = [path("<str:token>/dropbox-sign", embedded.page, name="embedded")]

"""The signer's pages, outside sign-in: the secret in the address is the permission."""

from django.urls import path

from quotes.web import signing

app_name = "signing"
urlpatterns = [
    path("<str:token>", signing.page, name="page"),
    path("<str:token>/decline", signing.decline, name="decline"),
    path("<str:token>/document.pdf", signing.document, name="document"),
]

"""The signer's pages, outside sign-in: the secret in the address is the permission."""

from django.urls import path

from quotes.web import renewals, signing, signing_more

app_name = "signing"
urlpatterns = [
    path("renewal/<str:token>", renewals.customers_page, name="renewal"),
    path("<str:token>", signing.page, name="page"),
    path("<str:token>/choose", signing_more.choose, name="choose"),
    path("<str:token>/decline", signing.decline, name="decline"),
    path("<str:token>/ask", signing_more.ask, name="ask"),
    path("<str:token>/reassign", signing_more.reassign, name="reassign"),
    path("<str:token>/code", signing_more.code, name="code"),
    path("<str:token>/document.pdf", signing.document, name="document"),
]

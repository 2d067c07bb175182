from django.urls import path

from integrations.web import pushes, xero

app_name = "integrations"
urlpatterns = [
    path("", xero.index, name="index"),
    path("xero/connect/", xero.connect, name="xero-connect"),
    path("xero/disconnect/", xero.disconnect, name="xero-disconnect"),
    path("xero/accounts/", xero.accounts, name="xero-accounts"),
    path("xero/earlier/", xero.earlier, name="xero-earlier"),
    path("log/", pushes.log, name="log"),
    path("log/retry/", pushes.retry_all, name="retry-all"),
    path("log/<uuid:push_id>/", pushes.detail, name="push"),
    path("log/<uuid:push_id>/retry/", pushes.retry, name="push-retry"),
]

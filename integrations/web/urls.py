from django.urls import path

from integrations.web import online_payments, pushes, signatures, xero

app_name = "integrations"
urlpatterns = [
    path("", xero.index, name="index"),
    path("xero/connect/", xero.connect, name="xero-connect"),
    path("xero/disconnect/", xero.disconnect, name="xero-disconnect"),
    path("xero/accounts/", xero.accounts, name="xero-accounts"),
    path("xero/earlier/", xero.earlier, name="xero-earlier"),
    path("dropbox-sign/connect/", signatures.connect, name="dropbox-sign-connect"),
    path("dropbox-sign/disconnect/", signatures.disconnect, name="dropbox-sign-disconnect"),
    path("stripe/connect/", online_payments.connect, name="stripe-connect"),
    path("stripe/disconnect/", online_payments.disconnect, name="stripe-disconnect"),
    path("payments/", online_payments.listing, name="online-payments"),
    path("payments/<uuid:row_id>/", online_payments.detail, name="online-payment"),
    path("payments/<uuid:row_id>/look/", online_payments.look, name="online-payment-look"),
    path("payments/<uuid:row_id>/refund/", online_payments.refund, name="online-payment-refund"),
    path("signatures/", signatures.listing, name="signatures"),
    path("signatures/<uuid:request_id>/", signatures.detail, name="signature"),
    path("signatures/<uuid:request_id>/retry/", signatures.retry, name="signature-retry"),
    path("signatures/<uuid:request_id>/remind/", signatures.remind, name="signature-remind"),
    path("signatures/<uuid:request_id>/signed.pdf", signatures.signed_file, name="signature-file"),
    path("parts/quote-version/<uuid:version_id>", signatures.of_version, name="quote-signature"),
    path("log/", pushes.log, name="log"),
    path("log/retry/", pushes.retry_all, name="retry-all"),
    path("log/<uuid:push_id>/", pushes.detail, name="push"),
    path("log/<uuid:push_id>/retry/", pushes.retry, name="push-retry"),
]

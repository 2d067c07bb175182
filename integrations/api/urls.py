from django.urls import path
from rest_framework.routers import SimpleRouter

from integrations.api import online_payments, signatures, views

router = SimpleRouter(trailing_slash=False)
router.register(
    "integrations/signature-requests",
    signatures.SignatureRequestViewSet,
    basename="signature-request",
)
router.register(
    "integrations/online-payments",
    online_payments.OnlinePaymentViewSet,
    basename="online-payment",
)
router.register("integrations/pushes", views.PushViewSet, basename="push")

urlpatterns = [
    path("integrations/connections", views.ConnectionsView.as_view(), name="connections"),
    *router.urls,
]

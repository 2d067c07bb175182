from rest_framework.routers import SimpleRouter

from quotes.api import order_forms, views

router = SimpleRouter(trailing_slash=False)
router.register("quotes", views.QuoteViewSet, basename="quote")
router.register("order-forms", order_forms.OrderFormViewSet, basename="order-form")

urlpatterns = router.urls

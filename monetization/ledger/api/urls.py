from rest_framework.routers import SimpleRouter

from monetization.ledger.api import views

router = SimpleRouter(trailing_slash=False)
router.register("journal-entries", views.JournalEntryViewSet, basename="journal-entry")
router.register("accounting-periods", views.AccountingPeriodViewSet, basename="accounting-period")

urlpatterns = router.urls

from rest_framework.routers import SimpleRouter

from monetization.mail.api import views

router = SimpleRouter(trailing_slash=False)
router.register("mail", views.MailViewSet, basename="mail")

urlpatterns = router.urls

from django.urls import path

from monetization.mail.web import views

urlpatterns = [
    path("outbox/", views.outbox, name="outbox"),
    path("outbox/retry-failed/", views.retry_all, name="outbox-retry-failed"),
    path("outbox/<uuid:mail_id>/", views.mail_detail, name="outbox-mail"),
    path("outbox/<uuid:mail_id>/retry/", views.retry, name="outbox-retry"),
    path("outbox/<uuid:mail_id>/arrived/", views.arrived, name="outbox-arrived"),
]

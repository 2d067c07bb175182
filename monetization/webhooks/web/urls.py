from django.urls import path

from monetization.webhooks.web import views

app_name = "webhooks"
urlpatterns = [
    path("settings/webhooks/", views.endpoint_list, name="list"),
    path("settings/webhooks/<uuid:endpoint_id>/", views.endpoint_detail, name="endpoint"),
    path("settings/webhooks/<uuid:endpoint_id>/secret/", views.secret, name="secret"),
    path("settings/webhooks/<uuid:endpoint_id>/rotate/", views.rotate, name="rotate"),
    path("settings/webhooks/<uuid:endpoint_id>/test/", views.test, name="test"),
    path("settings/webhooks/<uuid:endpoint_id>/switch/", views.switch, name="switch"),
    path("settings/webhooks/<uuid:endpoint_id>/remove/", views.remove, name="remove"),
    path("settings/webhooks/<uuid:endpoint_id>/again/", views.all_again, name="all-again"),
    path("settings/webhooks/deliveries/<uuid:delivery_id>/", views.delivery, name="delivery"),
    path("settings/webhooks/deliveries/<uuid:delivery_id>/again/", views.again, name="again"),
]

from django.urls import path

from monetization.users.web import activity

app_name = "events"
urlpatterns = [
    path("", activity.event_list, name="list"),
    path("<uuid:event_id>/", activity.event_detail, name="detail"),
    path("deliveries/<uuid:delivery_id>/replay/", activity.replay, name="replay"),
]

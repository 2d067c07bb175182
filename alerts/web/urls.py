from django.urls import path

from alerts.web import views

app_name = "alerts"
urlpatterns = [
    path("", views.alert_list, name="list"),
    path("export/", views.export, name="export"),
    path("rules/", views.rule_list, name="rules"),
    path("rules/new/", views.rule_new, name="rule-new"),
    path("rules/<uuid:rule_id>/", views.rule_detail, name="rule"),
    path("rules/<uuid:rule_id>/standing/", views.standing, name="standing"),
    path("rules/<uuid:rule_id>/remove/", views.remove, name="rule-remove"),
    path("customers/<uuid:customer_id>/", views.of_customer, name="customer"),
]

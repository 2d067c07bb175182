from django.urls import path

from crm.web import views

app_name = "crm"
urlpatterns = [
    path("", views.index, name="index"),
    path("import/<uuid:import_id>", views.map_columns, name="map"),
    path("export/<str:kind>.csv", views.export, name="export"),
    path("jobs/<uuid:job_id>/result", views.import_result, name="result"),
    path("jobs/<uuid:job_id>/rejects.csv", views.import_rejects, name="rejects"),
    path("opportunities/", views.opportunity_list, name="opportunities"),
    path("opportunities/<uuid:opportunity_id>", views.opportunity, name="opportunity"),
    path("opportunities/<uuid:opportunity_id>/link", views.link, name="link"),
]

from django.urls import path

from monetization.documents.web import views

app_name = "documents"
urlpatterns = [path("documents/<uuid:document_id>", views.document_download, name="download")]

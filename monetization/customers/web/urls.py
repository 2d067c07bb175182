from django.urls import path

from monetization.customers.web import views

app_name = "customers"
urlpatterns = [
    path("", views.customer_list, name="list"),
    path("export.csv", views.customer_export, name="export"),
    path("new", views.customer_create, name="create"),
    path("<uuid:customer_id>", views.customer_detail, name="detail"),
    path("<uuid:customer_id>/edit", views.customer_edit, name="edit"),
    path("<uuid:customer_id>/archive", views.customer_archive, name="archive"),
    path("<uuid:customer_id>/contacts", views.contact_create, name="contact-create"),
    path("<uuid:customer_id>/aliases", views.alias_map, name="alias-map"),
    path("<uuid:customer_id>/contacts/<uuid:contact_id>", views.contact_edit, name="contact-edit"),
    path(
        "<uuid:customer_id>/contacts/<uuid:contact_id>/remove",
        views.contact_remove,
        name="contact-remove",
    ),
]

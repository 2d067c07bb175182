from django.urls import path

from quotes.web import actions, builder, detail, listing

app_name = "quotes"
urlpatterns = [
    path("", listing.quote_list, name="list"),
    path("export.csv", listing.export, name="export"),
    path("new/", listing.create, name="create"),
    path("<uuid:quote_id>/", detail.quote_detail, name="detail"),
    path("<uuid:quote_id>/edit/", builder.edit, name="builder"),
    path("<uuid:quote_id>/send/", actions.send, name="send"),
    path("<uuid:quote_id>/new-link/", actions.new_link, name="new-link"),
    path("<uuid:quote_id>/revise/", actions.revise, name="revise"),
    path("<uuid:quote_id>/signed-elsewhere/", actions.signed_elsewhere, name="signed-elsewhere"),
    path("<uuid:quote_id>/versions/<int:number>/<str:kind>.pdf", detail.document, name="document"),
]

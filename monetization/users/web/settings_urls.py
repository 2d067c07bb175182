from django.urls import path

from monetization.users.web import audit, company, keys, members, views

app_name = "settings"
urlpatterns = [
    path("", company.index, name="index"),
    path("entities/<uuid:entity_id>/", company.entity, name="entity"),
    path("switch/", company.switch, name="switch"),
    path("members/", members.member_list, name="members"),
    path("members/<uuid:membership_id>/role/", members.role, name="member-role"),
    path("members/<uuid:membership_id>/invite/", members.invite_again, name="member-invite"),
    path("members/<uuid:membership_id>/remove/", members.remove, name="member-remove"),
    path("api-keys/", keys.key_list, name="api-keys"),
    path("api-keys/<str:prefix>/revoke/", keys.revoke, name="api-key-revoke"),
    path("audit/", audit.audit_log, name="audit"),
    path("views/", views.view_list, name="views"),
    path("views/<uuid:view_id>/delete/", views.delete, name="view-delete"),
]

from django.urls import path

from quotes.web import (
    actions,
    agreeing,
    approval_rules,
    approvals,
    builder,
    detail,
    listing,
)

app_name = "quotes"
urlpatterns = [
    path("", listing.quote_list, name="list"),
    path("export.csv", listing.export, name="export"),
    path("new/", listing.create, name="create"),
    path("approvals/", approvals.inbox, name="approvals"),
    path("approvals/<uuid:step_id>/", approvals.decide, name="decide"),
    path("approvals/deputies/", approvals.add_deputy, name="add-deputy"),
    path("approvals/deputies/<uuid:deputy_id>/end/", approvals.end_deputy, name="end-deputy"),
    path("approval-rules/", approval_rules.rule_list, name="approval-rules"),
    path("approval-rules/new/", approval_rules.rule_create, name="approval-rule-create"),
    path("approval-rules/<uuid:rule_id>/", approval_rules.rule_edit, name="approval-rule"),
    path("<uuid:quote_id>/", detail.quote_detail, name="detail"),
    path("<uuid:quote_id>/edit/", builder.edit, name="builder"),
    path("<uuid:quote_id>/copy/", actions.copy, name="copy"),
    path("<uuid:quote_id>/agreeing/", agreeing.agreeing, name="agreeing"),
    path("<uuid:quote_id>/comment/", agreeing.comment, name="comment"),
    path("<uuid:quote_id>/signers/<uuid:signer_id>/remind/", agreeing.remind, name="remind"),
    path("<uuid:quote_id>/signers/<uuid:signer_id>/reassign/", agreeing.reassign, name="reassign"),
    path("<uuid:quote_id>/ask-approval/", approvals.ask, name="ask-approval"),
    path("<uuid:quote_id>/reopen/", approvals.reopen, name="reopen"),
    path("<uuid:quote_id>/send/", actions.send, name="send"),
    path("<uuid:quote_id>/new-link/", actions.new_link, name="new-link"),
    path("<uuid:quote_id>/revise/", actions.revise, name="revise"),
    path("<uuid:quote_id>/signed-elsewhere/", actions.signed_elsewhere, name="signed-elsewhere"),
    path("<uuid:quote_id>/versions/<int:number>/<str:kind>.pdf", detail.document, name="document"),
]

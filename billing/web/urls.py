from django.urls import path

from billing.web import (
    accounts,
    accrued,
    assertions,
    bulk,
    crediting,
    documents,
    drafts,
    grid,
    invoices,
    late_usage,
    paper,
    payments,
    reviews,
    schedules,
    usage_lines,
)

app_name = "billing"
urlpatterns = [
    path("late-usage/", late_usage.late_usage, name="late-usage"),
    path("late-usage/export/", late_usage.late_usage_export, name="late-usage-export"),
    path("usage-events/<uuid:event_id>/", usage_lines.event_lines, name="event-lines"),
    path("invoices/", grid.invoice_list, name="invoice-list"),
    path("invoices/export.<slug:kind>", grid.invoice_export, name="invoice-export"),
    path("invoices/selection", grid.selection_totals, name="invoice-selection"),
    path("invoices/columns", grid.choose_columns, name="invoice-columns"),
    path("invoices/views", grid.save_view, name="invoice-view-save"),
    path("invoices/views/<uuid:view_id>/delete", grid.delete_view, name="invoice-view-delete"),
    path("invoices/new", drafts.one_off_create, name="one-off-create"),
    path("invoices/reviews/<uuid:job_id>/", reviews.review, name="review"),
    path("invoices/reviews/<uuid:job_id>/apply", reviews.apply, name="review-apply"),
    path("invoices/bulk", bulk.bulk_action, name="invoice-bulk"),
    path("invoices/<uuid:invoice_id>/", invoices.invoice_detail, name="invoice-detail"),
    path("invoices/<uuid:invoice_id>/do", invoices.invoice_action, name="invoice-action"),
    path("invoices/<uuid:invoice_id>/words", drafts.words_edit, name="invoice-words"),
    path("invoices/<uuid:invoice_id>/comments", drafts.comment_save, name="invoice-comment"),
    path("invoices/<uuid:invoice_id>/credit", crediting.credit, name="invoice-credit"),
    path("invoices/<uuid:invoice_id>/remind", accounts.remind_now, name="invoice-remind"),
    path("invoices/<uuid:invoice_id>/lines/new", drafts.line_add, name="line-add"),
    path(
        "invoices/<uuid:invoice_id>/lines/<uuid:line_id>/edit", drafts.line_edit, name="line-edit"
    ),
    path("invoices/<uuid:invoice_id>/pdf", documents.invoice_pdf, name="invoice-pdf"),
    path(
        "invoices/<uuid:invoice_id>/lines/<uuid:line_id>",
        invoices.explain_line,
        name="invoice-explain",
    ),
    path("credit-notes/", documents.credit_note_list, name="credit-note-list"),
    path("credit-notes/<uuid:note_id>/pdf", documents.credit_note_pdf, name="credit-note-pdf"),
    path("schedules/", schedules.schedule_list, name="schedule-list"),
    path("schedules/<uuid:schedule_id>/", schedules.schedule_detail, name="schedule-detail"),
    path("schedules/<uuid:schedule_id>/do", schedules.schedule_action, name="schedule-action"),
    path("order-forms/<uuid:order_form_id>/bill", schedules.create, name="create-schedule"),
    path("settings/documents/", paper.document_settings, name="document-settings"),
    path("settings/documents/<uuid:entity_id>/", paper.document_template, name="document-template"),
    path(
        "settings/documents/<uuid:entity_id>/preview",
        paper.document_preview,
        name="document-preview",
    ),
    path(
        "settings/documents/<uuid:entity_id>/sample.pdf",
        paper.document_sample,
        name="document-sample",
    ),
    path(
        "settings/documents/<uuid:entity_id>/mails/<slug:kind>/",
        paper.mail_texts,
        name="mail-texts",
    ),
    path(
        "settings/documents/<uuid:entity_id>/mails/<slug:kind>/preview",
        paper.mail_preview,
        name="mail-preview",
    ),
    path("customers/<uuid:customer_id>/documents", paper.recipient, name="customer-documents"),
    path("invoices/<uuid:invoice_id>/xml", documents.invoice_xml, name="invoice-xml"),
    path("invoices/<uuid:invoice_id>/usage.csv", documents.invoice_usage, name="invoice-usage"),
    path("credit-notes/<uuid:note_id>/xml", documents.credit_note_xml, name="credit-note-xml"),
    path("credit-notes/<uuid:note_id>/send", documents.credit_note_send, name="credit-note-send"),
    path("assertions/", assertions.rules, name="assertions"),
    path("reminders/", accounts.reminder_plan, name="reminders"),
    path("customers/<uuid:customer_id>/statement", accounts.statement, name="statement"),
    path(
        "customers/<uuid:customer_id>/billing", accounts.customer_billing, name="customer-billing"
    ),
    path("payments/", payments.payment_list, name="payment-list"),
    path("payments/new", payments.payment_create, name="payment-create"),
    path("parts/quote/<uuid:quote_id>", schedules.of_quote, name="quote-schedule"),
    path(
        "parts/customer/<uuid:customer_id>/schedules",
        schedules.of_customer,
        name="customer-schedules",
    ),
    path(
        "parts/customer/<uuid:customer_id>/invoices", invoices.of_customer, name="customer-invoices"
    ),
    path("parts/customer/<uuid:customer_id>/accrued", accrued.of_customer, name="customer-accrued"),
    path("parts/schedule/<uuid:schedule_id>/accrued", accrued.of_schedule, name="schedule-accrued"),
]

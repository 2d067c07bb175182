from django.urls import path

from billing.web import bulk, documents, invoices, payments, schedules

app_name = "billing"
urlpatterns = [
    path("invoices/", invoices.invoice_list, name="invoice-list"),
    path("invoices/export.csv", invoices.invoice_export, name="invoice-export"),
    path("invoices/views", invoices.save_view, name="invoice-view-save"),
    path("invoices/views/<uuid:view_id>/delete", invoices.delete_view, name="invoice-view-delete"),
    path("invoices/bulk", bulk.bulk_action, name="invoice-bulk"),
    path("invoices/<uuid:invoice_id>/", invoices.invoice_detail, name="invoice-detail"),
    path("invoices/<uuid:invoice_id>/do", invoices.invoice_action, name="invoice-action"),
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
]

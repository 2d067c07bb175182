from django.urls import path
from rest_framework.routers import SimpleRouter

from billing.api import (
    accrued,
    credit_requests,
    credits,
    desk,
    invoices,
    late_usage,
    paper,
    payments,
    schedules,
    tax,
)

router = SimpleRouter(trailing_slash=False)
router.register("schedules", schedules.ScheduleViewSet, basename="schedule")
router.register("invoices", invoices.InvoiceViewSet, basename="invoice")
router.register("credit-notes", payments.CreditNoteViewSet, basename="credit-note")
router.register("credit-requests", credit_requests.CreditRequestViewSet, basename="credit-request")
router.register("payments", payments.PaymentViewSet, basename="payment")
router.register("tax-rates", tax.TaxRateViewSet, basename="tax-rate")
router.register("customer-tax-rates", tax.CustomerTaxRateViewSet, basename="customer-tax-rate")
router.register("credit-grants", credits.CreditGrantViewSet, basename="credit-grant")
router.register(
    "credit-transactions", credits.CreditTransactionViewSet, basename="credit-transaction"
)
router.register("credit-plans", credits.CreditPlanViewSet, basename="credit-plan")
router.register("credit-top-ups", credits.CreditTopUpViewSet, basename="credit-top-up")
router.register("document-templates", paper.DocumentTemplateViewSet, basename="document-template")

urlpatterns = [
    path(
        "order-forms/<str:pk>/schedule",
        schedules.OrderFormScheduleView.as_view(),
        name="order-form-schedule",
    ),
    path(
        "customers/<uuid:pk>/accrued",
        accrued.CustomerAccruedView.as_view(),
        name="customer-accrued",
    ),
    path(
        "schedules/<uuid:pk>/accrued",
        accrued.ScheduleAccruedView.as_view(),
        name="schedule-accrued",
    ),
    path("credit-sales", credits.CreditSaleView.as_view(), name="credit-sales"),
    path(
        "customers/<uuid:pk>/credits",
        credits.CustomerCreditsView.as_view(),
        name="customer-credits",
    ),
    path("assertion-rules", desk.AssertionRulesView.as_view(), name="assertion-rules"),
    path("assertion-rules/<slug:rule>", desk.AssertionRuleView.as_view(), name="assertion-rule"),
    path(
        "invoice-reviews/<str:pk>/apply",
        desk.ReviewApplyView.as_view(),
        name="invoice-review-apply",
    ),
    path("tax-settings/<str:pk>", tax.TaxSettingView.as_view(), name="tax-setting"),
    path("receivables/aging", desk.AgingView.as_view(), name="receivables-aging"),
    path("late-usage", late_usage.LateUsageView.as_view(), name="late-usage"),
    path("late-usage/export", late_usage.LateUsageExportView.as_view(), name="late-usage-export"),
    path("late-usage/route", late_usage.LateUsageRouteView.as_view(), name="late-usage-route"),
    path("reminder-plan", desk.ReminderPlanView.as_view(), name="reminder-plan"),
    path("customers/<str:pk>/billing", desk.CustomerBillingView.as_view(), name="customer-billing"),
    path(
        "customers/<str:pk>/documents",
        paper.CustomerDocumentsView.as_view(),
        name="customer-documents",
    ),
    path("customers/<str:pk>/statement", desk.StatementView.as_view(), name="customer-statement"),
    *router.urls,
]

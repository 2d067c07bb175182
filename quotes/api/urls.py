from rest_framework.routers import SimpleRouter

from quotes.api import approvals, order_forms, renewals, templates, views

router = SimpleRouter(trailing_slash=False)
router.register("quotes", views.QuoteViewSet, basename="quote")
router.register("order-forms", order_forms.OrderFormViewSet, basename="order-form")
router.register("quote-templates", templates.QuoteTemplateViewSet, basename="quote-template")
router.register("contract-renewals", renewals.ContractRenewalViewSet, basename="contract-renewal")
router.register("approval-rules", approvals.ApprovalRuleViewSet, basename="approval-rule")
router.register("approval-deputies", approvals.ApprovalDeputyViewSet, basename="approval-deputy")
router.register("approvals", approvals.ApprovalViewSet, basename="approval")

urlpatterns = router.urls

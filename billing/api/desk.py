"""The rules of the desk, reviews of changes, reminders and statements over REST."""

from typing import Any
from uuid import UUID

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing import selectors
from billing.api import desk_serializers as shapes
from billing.domain.assertions import KINDS
from billing.models import CustomerBilling
from billing.services import assertions, reminders, reviews
from monetization.customers.models import Customer
from monetization.interface.idempotency import IdempotentMixin
from monetization.jobs.api.serializers import JobSerializer
from monetization.jobs.models import Job
from monetization.tenancy.models import tenant_today


class DeskView(IdempotentMixin, GenericAPIView[Any]):
    """One thing of the desk, at a fixed address or under a customer or job."""

    filter_backends = []
    permission_resource = "invoices"
    model: Any = Customer

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        return self.model.objects.all()

    def body(self, shape: Any, data: Any = None) -> Any:
        serializer = shape(data=self.request.data if data is None else data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class AssertionRulesView(DeskView):
    """The tests every draft must pass."""

    serializer_class = shapes.RuleSerializer

    @extend_schema(
        operation_id="assertion_rules_list", responses={200: shapes.RuleSerializer(many=True)}
    )
    def get(self, request: Request) -> Response:
        """List the rules in the order they are tested."""
        rules = assertions.ensure_rules()
        return Response({"results": shapes.RuleSerializer(rules, many=True).data})


class AssertionRuleView(DeskView):
    """One rule."""

    serializer_class = shapes.RuleSerializer

    @extend_schema(
        operation_id="assertion_rules_set",
        request=shapes.RuleInputSerializer,
        responses={200: shapes.RuleSerializer},
    )
    def put(self, request: Request, rule: str) -> Response:
        """Switch a rule on or off and set its parameters; every draft is tested again."""
        if rule not in KINDS:
            raise Http404
        body = self.body(shapes.RuleInputSerializer)
        row = assertions.set_rule(
            kind=rule,
            is_enabled=body["is_enabled"],
            parameters=body.get("parameters", {}),
            now=timezone.now(),
        )
        return Response(shapes.RuleSerializer(row).data)


class ReviewApplyView(DeskView):
    """Changes that were reviewed."""

    model = Job
    serializer_class = JobSerializer

    @extend_schema(
        operation_id="invoice_reviews_apply",
        request=shapes.ApplySerializer,
        responses={202: JobSerializer},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Apply what a preview job found, to the invoices named or to all of them, as a job.

        An invoice that would change otherwise by then fails its item; preview it again.
        """
        review = self.get_object()
        body = self.body(shapes.ApplySerializer)
        job = reviews.start_apply(review_id=review.id, invoice_ids=body.get("ids"))
        return Response(JobSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ReminderPlanView(DeskView):
    """When unpaid invoices are reminded of."""

    serializer_class = shapes.ReminderPlanSerializer

    @extend_schema(operation_id="reminder_plan_get")
    def get(self, request: Request) -> Response:
        """Show the company's plan."""
        return Response(shapes.ReminderPlanSerializer(reminders.reminder_plan()).data)

    @extend_schema(operation_id="reminder_plan_set")
    def put(self, request: Request) -> Response:
        """Set the days and switch reminders on or off."""
        body = self.body(shapes.ReminderPlanSerializer)
        plan = reminders.set_reminder_plan(**body)
        return Response(shapes.ReminderPlanSerializer(plan).data)


class CustomerBillingView(DeskView):
    """How one customer is billed where it differs from the rest."""

    serializer_class = shapes.CustomerBillingSerializer

    @extend_schema(operation_id="customers_billing_get")
    def get(self, request: Request, pk: str) -> Response:
        """Show what differs; by default nothing."""
        customer = self.get_object()
        row = CustomerBilling.objects.filter(customer=customer).first()
        return Response(
            shapes.CustomerBillingSerializer(
                row or CustomerBilling(customer=customer, reminder_days=None)
            ).data
        )

    @extend_schema(operation_id="customers_billing_set")
    def put(self, request: Request, pk: str) -> Response:
        """Set whether a purchase order is required, and the days of its reminders."""
        customer = self.get_object()
        body = self.body(shapes.CustomerBillingSerializer)
        row = reminders.set_customer_billing(customer_id=customer.id, **body)
        return Response(shapes.CustomerBillingSerializer(row).data)


class AgingView(DeskView):
    """What is owed, by how late it is."""

    serializer_class = shapes.AgingSerializer

    @extend_schema(
        operation_id="receivables_aging", responses={200: shapes.AgingSerializer(many=True)}
    )
    def get(self, request: Request) -> Response:
        """List the open receivables of every currency as of today."""
        rows = selectors.aging(today=tenant_today())
        return Response({"results": shapes.AgingSerializer(rows, many=True).data})


class StatementView(DeskView):
    """A customer's account."""

    serializer_class = shapes.StatementSerializer

    @extend_schema(operation_id="customers_statement", parameters=[shapes.StatementQuerySerializer])
    def get(self, request: Request, pk: str) -> Response:
        """Show what was billed, credited, paid and written off over some days."""
        customer = self.get_object()
        wanted = self.body(shapes.StatementQuerySerializer, request.query_params.dict())
        found = selectors.statement(
            customer_id=UUID(str(customer.id)),
            currency=wanted.get("currency", customer.currency),
            since=wanted["since"],
            until=wanted["until"],
            today=tenant_today(),
        )
        return Response(shapes.StatementSerializer(found).data)

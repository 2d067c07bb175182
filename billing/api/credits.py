"""Credits over REST: grants and their journal, sales, plans, top-ups, live balances."""

from dataclasses import fields
from typing import Any
from uuid import UUID

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.credit_serializers import (
    CreditGrantInput,
    CreditGrantSerializer,
    CreditPlanChange,
    CreditPlanInput,
    CreditPlanSerializer,
    CreditSaleInput,
    CreditTopUpChange,
    CreditTopUpInput,
    CreditTopUpSerializer,
    CreditTransactionSerializer,
    CustomerCreditsSerializer,
    VoidGrantInput,
)
from billing.api.desk import DeskView
from billing.api.serializers import InvoiceSerializer
from billing.models import CreditGrant, CreditPlan, CreditTopUp, CreditTransaction
from billing.selectors.credits import standings
from billing.services.credits import granting, recurring
from billing.services.credits.clock import grant_by_plan
from billing.services.credits.granting import CreditWords
from billing.services.credits.live import live_standings
from billing.services.credits.recurring import PlanRhythm, Selling
from monetization.customers.models import Customer
from monetization.interface.viewsets import ApiViewSet

_WORDS = {one.name for one in fields(CreditWords)}
_RHYTHM = {one.name for one in fields(PlanRhythm)}


def _split(body: dict[str, Any], names: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Part a body into the fields of one use case's argument and the others."""
    return (
        {name: value for name, value in body.items() if name in names},
        {name: value for name, value in body.items() if name not in names},
    )


class GrantFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")
    invoice = django_filters.UUIDFilter(field_name="invoice_id")
    plan = django_filters.UUIDFilter(field_name="plan_id")


class CreditGrantViewSet(mixins.ListModelMixin, ApiViewSet):
    """Credits customers hold. Balances are after issued invoices; ``planned`` is on drafts."""

    model = CreditGrant
    serializer_class = CreditGrantSerializer
    filterset_class = GrantFilters
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditGrant.objects.select_related("meter")

    def _answer(self, grant: CreditGrant, code: int = status.HTTP_200_OK) -> Response:
        (found,) = standings([self.rows().get(id=grant.id)], now=timezone.now())
        return self.show(found, CreditGrantSerializer, code)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        found = standings(list(page or ()), now=timezone.now())
        return self.get_paginated_response(CreditGrantSerializer(found, many=True).data)

    @extend_schema(responses={200: CreditGrantSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        operation_id="credit_grants_create",
        request=CreditGrantInput,
        responses={201: CreditGrantSerializer},
    )
    def create(self, request: Request) -> Response:
        """Give credits for nothing. What is paid for is sold: see credit-sales."""
        words, rest = _split(self.read(CreditGrantInput), _WORDS)
        grant = granting.grant_credits(words=CreditWords(**words), now=timezone.now(), **rest)
        return self._answer(grant, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="credit_grants_void",
        request=VoidGrantInput,
        responses={200: CreditGrantSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def void(self, request: Request, pk: str) -> Response:
        """Withdraw what is left of credits that were given."""
        body = self.read(VoidGrantInput)
        grant = granting.void_grant(
            grant_id=self.get_object().id, reason=body["reason"], now=timezone.now()
        )
        return self._answer(grant)


class TransactionFilters(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="grant__customer_id")
    grant = django_filters.UUIDFilter(field_name="grant_id")
    invoice = django_filters.UUIDFilter(field_name="invoice_id")
    kind = django_filters.CharFilter()


class CreditTransactionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """What became of credits. A grant's balance is the sum of its units."""

    model = CreditTransaction
    serializer_class = CreditTransactionSerializer
    filterset_class = TransactionFilters
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditTransaction.objects.select_related("grant")


class CreditSaleView(DeskView):
    """Credits sold by hand."""

    permission_resource = "invoices"

    @extend_schema(
        operation_id="credit_sales_create",
        request=CreditSaleInput,
        responses={201: InvoiceSerializer},
    )
    def post(self, request: Request) -> Response:
        """Draft an invoice that sells credits; they are granted when it is issued."""
        words, rest = _split(dict(self.body(CreditSaleInput)), _WORDS)
        invoice = granting.sell_credits(words=CreditWords(**words), now=timezone.now(), **rest)
        return Response(InvoiceSerializer(invoice).data, status=status.HTTP_201_CREATED)


class OfCustomer(django_filters.FilterSet):
    customer = django_filters.UUIDFilter(field_name="customer_id")


class CreditPlanViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Credits granted again and again."""

    model = CreditPlan
    serializer_class = CreditPlanSerializer
    filterset_class = OfCustomer
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditPlan.objects.select_related("meter")

    @extend_schema(
        operation_id="credit_plans_create",
        request=CreditPlanInput,
        responses={201: CreditPlanSerializer},
    )
    def create(self, request: Request) -> Response:
        """Plan grants; those that are due are made at once, the others on their day."""
        now = timezone.now()
        words, rest = _split(self.read(CreditPlanInput), _WORDS)
        plan = recurring.plan_credits(
            words=CreditWords(**words), rhythm=PlanRhythm(**rest), now=now
        )
        grant_by_plan(plan_id=plan.id, now=now)
        return self.show(plan, CreditPlanSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="credit_plans_change",
        request=CreditPlanChange,
        responses={200: CreditPlanSerializer},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change it from the next step on; grants made stay as they are."""
        changes = self.read(CreditPlanChange, partial=True)
        row = recurring.change_plan(
            plan_id=self.get_object().id, changes=changes, now=timezone.now()
        )
        return self.show(row, CreditPlanSerializer)

    @extend_schema(
        operation_id="credit_plans_pause", request=None, responses={200: CreditPlanSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def pause(self, request: Request, pk: str) -> Response:
        """Make no grants until it is resumed."""
        row = recurring.pause_plan(plan_id=self.get_object().id, now=timezone.now())
        return self.show(row, CreditPlanSerializer)

    @extend_schema(
        operation_id="credit_plans_resume", request=None, responses={200: CreditPlanSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def resume(self, request: Request, pk: str) -> Response:
        """Grant again; what came due in between is left out."""
        row = recurring.resume_plan(plan_id=self.get_object().id, now=timezone.now())
        return self.show(row, CreditPlanSerializer)

    @extend_schema(
        operation_id="credit_plans_stop", request=None, responses={200: CreditPlanSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def stop(self, request: Request, pk: str) -> Response:
        """Make no more grants; those made stay."""
        plan = recurring.stop_plan(plan_id=self.get_object().id, now=timezone.now())
        return self.show(plan, CreditPlanSerializer)


class CreditTopUpViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Credits sold by themselves when a balance runs low."""

    model = CreditTopUp
    serializer_class = CreditTopUpSerializer
    filterset_class = OfCustomer
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditTopUp.objects.select_related("meter")

    @extend_schema(
        operation_id="credit_top_ups_create",
        request=CreditTopUpInput,
        responses={201: CreditTopUpSerializer},
    )
    def create(self, request: Request) -> Response:
        """Sell credits whenever the live balance falls below a threshold."""
        words, rest = _split(self.read(CreditTopUpInput), _WORDS)
        rule = recurring.set_top_up(
            words=CreditWords(**words), selling=Selling(**rest), now=timezone.now()
        )
        return self.show(rule, CreditTopUpSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="credit_top_ups_change",
        request=CreditTopUpChange,
        responses={200: CreditTopUpSerializer},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change it from the next sale on."""
        changes = self.read(CreditTopUpChange, partial=True)
        row = recurring.change_top_up(
            rule_id=self.get_object().id, changes=changes, now=timezone.now()
        )
        return self.show(row, CreditTopUpSerializer)

    @extend_schema(
        operation_id="credit_top_ups_pause", request=None, responses={200: CreditTopUpSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def pause(self, request: Request, pk: str) -> Response:
        """Sell nothing until it is resumed."""
        row = recurring.pause_top_up(rule_id=self.get_object().id, now=timezone.now())
        return self.show(row, CreditTopUpSerializer)

    @extend_schema(
        operation_id="credit_top_ups_resume", request=None, responses={200: CreditTopUpSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def resume(self, request: Request, pk: str) -> Response:
        """Sell again, at once if the balance is low."""
        row = recurring.resume_top_up(rule_id=self.get_object().id, now=timezone.now())
        return self.show(row, CreditTopUpSerializer)

    @extend_schema(
        operation_id="credit_top_ups_stop", request=None, responses={200: CreditTopUpSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def stop(self, request: Request, pk: str) -> Response:
        """Sell nothing more by this rule."""
        rule = recurring.stop_top_up(rule_id=self.get_object().id, now=timezone.now())
        return self.show(rule, CreditTopUpSerializer)


class CustomerCreditsView(APIView):
    """A customer's credits as of this moment."""

    permission_resource = "invoices"

    @extend_schema(operation_id="customers_credits", responses={200: CustomerCreditsSerializer})
    def get(self, request: Request, pk: UUID) -> Response:
        """Say what is left of each grant when usage by now is paid: the live balance."""
        now = timezone.now()
        customer = Customer.objects.get(id=pk)
        found = live_standings(customer_ids=[customer.id], now=now)
        return Response(CustomerCreditsSerializer({"as_of": now, "grants": found}).data)

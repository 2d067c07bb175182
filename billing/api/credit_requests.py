"""Credits and voids that wait for a second person, over REST."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.serializers import (
    AnswerSerializer,
    AskedCreditSerializer,
    AskForCreditSerializer,
)
from billing.models import CreditRequest
from billing.services import credit_requests
from monetization.interface.viewsets import ApiViewSet
from monetization.tenancy.models import tenant_today


class CreditRequestFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=CreditRequest.Status.choices)
    invoice = django_filters.UUIDFilter(field_name="invoice_id")


class CreditRequestViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Credits and voids one person asks for and another answers; nothing happens before."""

    model = CreditRequest
    serializer_class = AskedCreditSerializer
    filterset_class = CreditRequestFilters
    permission_resource = "invoices"

    def rows(self) -> Any:
        return CreditRequest.objects.select_related("invoice")

    def _shown(self, row: CreditRequest, status_code: int = status.HTTP_200_OK) -> Response:
        return self.show(self.rows().get(id=row.id), AskedCreditSerializer, status_code)

    @extend_schema(request=AskForCreditSerializer, responses={201: AskedCreditSerializer})
    def create(self, request: Request) -> Response:
        """Ask for a credit of the lines named or of all that is left, or for a void."""
        body = self.read(AskForCreditSerializer)
        kind = body.pop("kind")
        if kind != CreditRequest.Kind.CREDIT:
            row = credit_requests.request_void(
                invoice_id=body["invoice"],
                reason=body["reason"],
                is_reissued=kind == CreditRequest.Kind.REISSUE,
                now=timezone.now(),
            )
            return self._shown(row, status.HTTP_201_CREATED)
        body.setdefault("issued_on", tenant_today())
        lines = body.pop("lines", None)
        row = credit_requests.request_credit(
            invoice_id=body.pop("invoice"),
            amounts=None if lines is None else {line["line"]: line["amount"] for line in lines},
            **body,
            now=timezone.now(),
        )
        return self._shown(row, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="credit_requests_approve",
        request=None,
        responses={200: AskedCreditSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def approve(self, request: Request, pk: str) -> Response:
        """Issue the credit note or void, exactly as it was asked for; not by who asked."""
        row = credit_requests.approve_credit(request_id=self.get_object().id, now=timezone.now())
        return self._shown(row)

    @extend_schema(
        operation_id="credit_requests_decline",
        request=AnswerSerializer,
        responses={200: AskedCreditSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def decline(self, request: Request, pk: str) -> Response:
        """Say no, and why."""
        row = self.get_object()
        body = self.read(AnswerSerializer)
        return self._shown(
            credit_requests.decline_credit(request_id=row.id, **body, now=timezone.now())
        )

    @extend_schema(
        operation_id="credit_requests_withdraw",
        request=None,
        responses={200: AskedCreditSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def withdraw(self, request: Request, pk: str) -> Response:
        """Take back what one asked for oneself."""
        row = credit_requests.withdraw_credit(request_id=self.get_object().id, now=timezone.now())
        return self._shown(row)

"""Online payments over REST: what became of them, money back, and another look."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from integrations import selectors
from integrations.models import OnlinePayment
from integrations.stripe import services
from monetization.interface.fields import AmountField, ExactField, InputSerializer
from monetization.interface.viewsets import ApiViewSet


class OnlinePaymentSerializer(serializers.Serializer[Any]):
    """A payment page, a payment or a payout at Stripe."""

    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=OnlinePayment.Kind.choices)
    external_id = serializers.CharField(help_text="Its id over there.")
    state = serializers.CharField(help_text="In Stripe's words, when it was last asked.")
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)
    payment = serializers.UUIDField(
        source="payment_id", allow_null=True, help_text="The payment it was booked as."
    )
    currency = serializers.CharField()
    amount = AmountField(allow_null=True)
    fee_amount = AmountField(currency="fee_currency", allow_null=True)
    fee_currency = serializers.CharField()
    is_posted = serializers.BooleanField(help_text="Of a payout: it is in the ledger.")
    dispute_status = serializers.CharField(
        help_text="Of its latest dispute, in Stripe's words; empty: nobody disputes it."
    )
    dispute_reason = serializers.CharField()
    dispute_answer_by = serializers.DateTimeField(allow_null=True)
    needs_attention = serializers.BooleanField()
    last_error = serializers.CharField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is looked at next.")
    checked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class OnlineRefundSerializer(InputSerializer):
    """Sends a payment back."""

    amount = ExactField(
        whole=15,
        places=4,
        above_zero=True,
        required=False,
        help_text="All that is left if not given.",
    )


class OnlinePaymentFilters(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=OnlinePayment.Kind.choices)
    invoice = django_filters.UUIDFilter(field_name="invoice_id")
    needs_attention = django_filters.BooleanFilter()


class OnlinePaymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """What customers paid at Stripe, and what it paid out."""

    model = OnlinePayment
    serializer_class = OnlinePaymentSerializer
    filterset_class = OnlinePaymentFilters
    permission_resource = "integrations"

    def rows(self) -> Any:
        return selectors.online_payments()

    @extend_schema(
        operation_id="online_payments_retry",
        request=None,
        responses={200: OnlinePaymentSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def retry(self, request: Request, pk: str) -> Response:
        """Ask Stripe anew; the worker does within seconds."""
        row = services.look_again(online_payment_id=self.get_object().id, now=timezone.now())
        return self.show(row, OnlinePaymentSerializer)

    @extend_schema(
        operation_id="online_payments_refund",
        request=OnlineRefundSerializer,
        responses={200: OnlinePaymentSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def refund(self, request: Request, pk: str) -> Response:
        """Send a payment back through Stripe, wholly or in part, within seconds."""
        row = self.get_object()
        body = self.read(OnlineRefundSerializer)
        found = services.ask_refund(
            online_payment_id=row.id, amount=body.get("amount"), now=timezone.now()
        )
        return self.show(found, OnlinePaymentSerializer)

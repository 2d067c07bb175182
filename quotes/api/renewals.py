"""Contracts that renew by themselves, over REST."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import ExactField, InputSerializer
from monetization.interface.viewsets import ApiViewSet
from monetization.tenancy.models import tenant_today
from quotes.models import ContractRenewal, RenewalNotice
from quotes.services import renewals


class RenewalNoticeSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=RenewalNotice.Kind.choices)
    sent_to = serializers.CharField()
    sent_at = serializers.DateTimeField()


class ContractRenewalSerializer(serializers.Serializer[Any]):
    """The end of a signed term and what follows it."""

    id = serializers.UUIDField()
    order_form = serializers.UUIDField(source="order_form_id")
    customer = serializers.UUIDField(source="order_form.customer_id")
    ends_on = serializers.DateField(help_text="First day of the next term.")
    decide_by = serializers.DateField(help_text="Last day on which it can be ended.")
    months = serializers.IntegerField()
    uplift_percent = ExactField()
    status = serializers.ChoiceField(choices=ContractRenewal.Status.choices)
    quote = serializers.UUIDField(source="quote_id", allow_null=True, help_text="The next term.")
    problem = serializers.CharField(help_text="Why it is not renewed yet.")
    reason = serializers.CharField(help_text="Why it ends.")
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    notices = RenewalNoticeSerializer(many=True)


class OptOutSerializer(InputSerializer):
    reason = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class ContractRenewalFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=ContractRenewal.Status.choices)
    customer = django_filters.UUIDFilter(field_name="order_form__customer_id")
    order_form = django_filters.UUIDFilter(field_name="order_form_id")
    decide_by_before = django_filters.DateFilter(field_name="decide_by", lookup_expr="lte")


class ContractRenewalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Renewals agreed in advance: planned once signed, told of, renewed once."""

    model = ContractRenewal
    serializer_class = ContractRenewalSerializer
    filterset_class = ContractRenewalFilters
    permission_resource = "quotes"

    def rows(self) -> Any:
        return ContractRenewal.objects.select_related("order_form").prefetch_related("notices")

    @extend_schema(
        operation_id="contract_renewals_opt_out",
        request=OptOutSerializer,
        responses={200: ContractRenewalSerializer},
    )
    @action(detail=True, methods=["post"], url_path="opt-out", filter_backends=[])
    def opt_out(self, request: Request, pk: str) -> Response:
        """Let the contract end with its term; possible until its last day of notice."""
        renewals.opt_out(
            renewal_id=self.get_object().id,
            today=tenant_today(),
            reason=self.read(OptOutSerializer).get("reason", ""),
            now=timezone.now(),
        )
        return self.show(self.get_object(), ContractRenewalSerializer)

    @extend_schema(
        operation_id="contract_renewals_opt_in",
        request=None,
        responses={200: ContractRenewalSerializer},
    )
    @action(detail=True, methods=["post"], url_path="opt-in", filter_backends=[])
    def opt_in(self, request: Request, pk: str) -> Response:
        """Let the contract renew after all; possible until its last day of notice."""
        renewals.opt_in(renewal_id=self.get_object().id, today=tenant_today(), now=timezone.now())
        return self.show(self.get_object(), ContractRenewalSerializer)

"""Alerts over REST: rules, and what they triggered."""

from dataclasses import replace
from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import selectors
from alerts.models import Alert, AlertRule
from alerts.services import rules as services
from monetization.interface.fields import ExactField
from monetization.interface.viewsets import ApiViewSet


class AlertRuleSerializer(serializers.Serializer[Any]):
    """A rule. A percentage is of the units included, or of the commitment."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    metric = serializers.ChoiceField(choices=AlertRule.Metric.choices)
    meter = serializers.UUIDField(source="meter_id", allow_null=True)
    customer = serializers.UUIDField(
        source="customer_id", allow_null=True, help_text="Null: each customer on its own."
    )
    basis = serializers.ChoiceField(choices=AlertRule.Basis.choices)
    threshold = ExactField(help_text="Units, currency or percent.")
    currency = serializers.CharField(help_text="Of an amount of money.")
    credit_unit = serializers.CharField(help_text="Of credits; empty: each unit on its own.")
    direction = serializers.ChoiceField(choices=AlertRule.Direction.choices)
    emails = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class AlertRuleInput(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    metric = serializers.ChoiceField(choices=AlertRule.Metric.choices)
    meter = serializers.UUIDField(source="meter_id", required=False, allow_null=True)
    customer = serializers.UUIDField(source="customer_id", required=False, allow_null=True)
    basis = serializers.ChoiceField(choices=AlertRule.Basis.choices, required=False)
    threshold = ExactField()
    currency = serializers.CharField(max_length=3, required=False, allow_blank=True)
    credit_unit = serializers.CharField(max_length=60, required=False, allow_blank=True)
    direction = serializers.ChoiceField(choices=AlertRule.Direction.choices, required=False)
    emails = serializers.ListField(
        child=serializers.CharField(max_length=254), max_length=50, required=False
    )
    is_active = serializers.BooleanField(required=False)


class AlertSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    rule = serializers.UUIDField(source="rule_id")
    rule_name = serializers.CharField(source="rule.name")
    customer = serializers.UUIDField(source="customer_id")
    schedule = serializers.UUIDField(source="schedule_id", allow_null=True)
    period_start = serializers.DateField()
    period_end = serializers.DateField(help_text="Exclusive.")
    value = ExactField()
    limit = ExactField()
    base = ExactField(allow_null=True, help_text="What a percentage is of.")
    unit = serializers.CharField(help_text="The meter's, or a currency.")
    event = serializers.UUIDField(source="event_id", allow_null=True)
    triggered_at = serializers.DateTimeField()


def _sees_money(request: Request) -> bool:
    return bool(request._request.principal.may("invoices:read"))  # type: ignore[attr-defined]


def _check_money(request: Request, terms: services.RuleTerms) -> None:
    if terms.metric != AlertRule.Metric.USAGE and not _sees_money(request):
        raise PermissionDenied("A rule on amounts of money needs invoices:read.")


class RuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Rules of alerts."""

    model = AlertRule
    serializer_class = AlertRuleSerializer
    permission_resource = "alerts"

    def rows(self) -> Any:
        return selectors.rules(with_money=_sees_money(self.request))

    @extend_schema(
        operation_id="alert_rules_create",
        request=AlertRuleInput,
        responses={201: AlertRuleSerializer},
    )
    def create(self, request: Request) -> Response:
        """Make a rule. What has crossed its limit already is told of within seconds."""
        terms = services.RuleTerms(**self.read(AlertRuleInput))
        _check_money(request, terms)
        rule = services.create_rule(terms, now=timezone.now())
        return self.show(rule, AlertRuleSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="alert_rules_partial_update",
        request=AlertRuleInput,
        responses={200: AlertRuleSerializer},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change a rule; one that asks something else may alert again in the same period."""
        rule = self.get_object()
        terms = replace(services.terms_of(rule), **self.read(AlertRuleInput, partial=True))
        _check_money(request, terms)
        rule = services.change_rule(rule_id=rule.id, terms=terms, now=timezone.now())
        return self.show(rule, AlertRuleSerializer)

    @extend_schema(operation_id="alert_rules_destroy", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a rule; the alerts it triggered stay."""
        services.remove_rule(rule_id=self.get_object().id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class AlertFilters(django_filters.FilterSet):
    rule = django_filters.UUIDFilter(field_name="rule_id")
    customer = django_filters.UUIDFilter(field_name="customer_id")


class AlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """What triggered, newest first."""

    model = Alert
    serializer_class = AlertSerializer
    filterset_class = AlertFilters
    permission_resource = "alerts"

    def rows(self) -> Any:
        return selectors.alerts(with_money=_sees_money(self.request))

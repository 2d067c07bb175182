"""Approvals and their rules over REST."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import DayField, ExactField, InputSerializer
from monetization.interface.viewsets import ApiViewSet
from quotes.models import ApprovalDeputy, ApprovalRule, ApprovalStep
from quotes.services import approval_rules, approvals
from quotes.services.approvals import Decider

_OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}


class ApprovalRuleSerializer(InputSerializer):
    """When a quote needs whose agreement. Every condition that is given must hold."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=120)
    step = serializers.IntegerField(
        min_value=1, max_value=20, required=False, help_text="Lower steps are asked first."
    )
    approver_role = serializers.ChoiceField(
        choices=[role.value for role in approval_rules.APPROVER_ROLES],
        required=False,
        allow_blank=True,
    )
    approver_emails = serializers.ListField(
        child=serializers.EmailField(max_length=254), required=False, max_length=20
    )
    discount_over = ExactField(whole=3, places=6, help_text="Percent below list.", **_OPTIONAL)
    value_over = ExactField(whole=15, places=4, help_text="Contract value.", **_OPTIONAL)
    margin_below = ExactField(whole=3, places=6, help_text="Percent.", **_OPTIONAL)
    term_over_months = serializers.IntegerField(min_value=0, max_value=240, **_OPTIONAL)
    payment_over_days = serializers.IntegerField(min_value=0, max_value=365, **_OPTIONAL)
    currencies = serializers.ListField(
        child=serializers.RegexField(r"\A[A-Z]{3}\Z"), required=False, max_length=50
    )
    products = serializers.ListField(
        child=serializers.SlugField(max_length=60), required=False, max_length=200
    )
    has_custom_text = serializers.BooleanField(required=False)
    overrides_term_discount = serializers.BooleanField(
        required=False, help_text="A line gets more for its term than the rules give."
    )
    valid_days = serializers.IntegerField(min_value=1, max_value=365, required=False)
    is_active = serializers.BooleanField(required=False)


class ApprovalSerializer(serializers.Serializer[Any]):
    """One rule asked for one version: why, of whom, and the answer."""

    id = serializers.UUIDField()
    quote = serializers.UUIDField(source="version.quote_id")
    quote_number = serializers.CharField(source="version.quote.number")
    version = serializers.IntegerField(source="version.number")
    rule = serializers.UUIDField(source="rule_id")
    title = serializers.CharField()
    step = serializers.IntegerField()
    reasons = serializers.ListField(child=serializers.CharField())
    approver_role = serializers.CharField()
    approver_emails = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=ApprovalStep.Status.choices)
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    request_comment = serializers.CharField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    comment = serializers.CharField()
    valid_until = serializers.DateTimeField(allow_null=True)


class DecisionSerializer(InputSerializer):
    decision = serializers.ChoiceField(choices=["approve", "refuse"])
    comment = serializers.CharField(
        max_length=1000, required=False, allow_blank=True, help_text="Needed to refuse."
    )


class HandOverSerializer(InputSerializer):
    to_email = serializers.EmailField(max_length=254, help_text="Of a member who may approve.")


class DeputySerializer(InputSerializer):
    """Who answers for somebody who is away, from the first to the last day."""

    id = serializers.UUIDField(read_only=True)
    absent_email = serializers.EmailField(
        max_length=254, required=False, help_text="For keys; a member arranges their own absence."
    )
    deputy_email = serializers.EmailField(max_length=254)
    first_day = DayField()
    last_day = DayField(help_text="Inclusive.")


class ApprovalRuleViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """The rules that say which quotes need whose agreement."""

    model = ApprovalRule
    serializer_class = ApprovalRuleSerializer
    permission_resource = "approval-rules"

    @extend_schema(request=ApprovalRuleSerializer, responses={201: ApprovalRuleSerializer})
    def create(self, request: Request) -> Response:
        rule = approval_rules.save_rule(values=self.read(ApprovalRuleSerializer))
        return self.show(rule, ApprovalRuleSerializer, status.HTTP_201_CREATED)

    @extend_schema(request=ApprovalRuleSerializer, responses={200: ApprovalRuleSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Write a rule anew; requests already made keep it as it was asked."""
        rule = self.get_object()
        values = self.read(ApprovalRuleSerializer, partial=True)
        saved = approval_rules.save_rule(values=values, rule_id=rule.id)
        return self.show(saved, ApprovalRuleSerializer)


def _decider(request: Request) -> Decider:
    principal = request._request.principal  # type: ignore[attr-defined]
    return Decider(principal.label, principal.role, is_machine=principal.api_key_id is not None)


class ApprovalDeputyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Who answers for whom while they are away."""

    model = ApprovalDeputy
    serializer_class = DeputySerializer
    permission_resource = "approvals"

    @extend_schema(request=DeputySerializer, responses={201: DeputySerializer})
    def create(self, request: Request) -> Response:
        """Let a colleague answer in somebody's absence."""
        body, decider = self.read(DeputySerializer), _decider(request)
        absent = body.pop("absent_email", "" if decider.is_machine else decider.label)
        if not absent:
            raise approval_rules.ApprovalRuleInvalid("absent_email: say who is away")
        if not decider.is_machine and absent != decider.label:
            raise approval_rules.ApprovalRuleInvalid("absent_email: arrange your own absence")
        row = approval_rules.add_deputy(absent_email=absent, **body)
        return self.show(row, DeputySerializer, status.HTTP_201_CREATED)

    @extend_schema(operation_id="approval_deputies_destroy", responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Take it back; members their own alone."""
        row, decider = self.get_object(), _decider(request)
        if not decider.is_machine and row.absent_email != decider.label:
            raise approval_rules.ApprovalRuleInvalid("absent_email: arrange your own absence")
        approval_rules.end_deputy(deputy_id=row.id, absent_email=row.absent_email)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ApprovalFilters(django_filters.FilterSet):
    quote = django_filters.UUIDFilter(field_name="version__quote_id")
    status = django_filters.MultipleChoiceFilter(choices=ApprovalStep.Status.choices)


class ApprovalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """What was asked of whom, and the answers."""

    model = ApprovalStep
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilters
    permission_resource = "approvals"

    def rows(self) -> Any:
        return ApprovalStep.objects.select_related("version__quote")

    @extend_schema(
        operation_id="approvals_decide",
        request=DecisionSerializer,
        responses={200: ApprovalSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def decide(self, request: Request, pk: str) -> Response:
        """Approve or refuse. A key answers for everybody, but not what it asked for itself."""
        step = self.get_object()
        body = self.read(DecisionSerializer)
        approvals.decide(
            step_id=step.id,
            decider=_decider(request),
            is_approved=body["decision"] == "approve",
            comment=body.get("comment", ""),
            now=timezone.now(),
        )
        return self.show(self.get_object(), ApprovalSerializer)

    @extend_schema(
        operation_id="approvals_hand_over",
        request=HandOverSerializer,
        responses={200: ApprovalSerializer},
    )
    @action(detail=True, methods=["post"], url_path="hand-over", filter_backends=[])
    def hand_over(self, request: Request, pk: str) -> Response:
        """Let somebody else answer this request instead; they are told by mail."""
        step = self.get_object()
        approvals.hand_over(
            step_id=step.id,
            decider=_decider(request),
            to_email=self.read(HandOverSerializer)["to_email"],
            now=timezone.now(),
        )
        return self.show(self.get_object(), ApprovalSerializer)

"""Discounts for longer commitments over REST."""

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.catalog import term_discounts
from monetization.catalog.models import TermDiscount
from monetization.interface.fields import ExactField, InputSerializer
from monetization.interface.viewsets import ApiViewSet


class TermDiscountSerializer(InputSerializer):
    """What a term of at least so many months takes off list prices."""

    id = serializers.UUIDField(read_only=True)
    name = serializers.CharField(max_length=120, help_text="Stands on the order form.")
    min_months = serializers.IntegerField(min_value=1, max_value=240, help_text="Without trials.")
    percent = ExactField(whole=3, places=6, at_most=100)
    products = serializers.ListField(
        child=serializers.SlugField(max_length=60),
        required=False,
        max_length=200,
        help_text="Codes; empty: every list price that recurs.",
    )
    currency = serializers.RegexField(
        r"\A([A-Z]{3})?\Z", required=False, allow_blank=True, help_text="Empty: all."
    )
    is_active = serializers.BooleanField(required=False)


class TermDiscountViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """The rules from a term to its discount."""

    model = TermDiscount
    serializer_class = TermDiscountSerializer
    permission_resource = "catalog"

    @extend_schema(request=TermDiscountSerializer, responses={201: TermDiscountSerializer})
    def create(self, request: Request) -> Response:
        """Add a rule; drafts follow with their next change."""
        rule = term_discounts.save_term_discount(values=self.read(TermDiscountSerializer))
        return self.show(rule, TermDiscountSerializer, status.HTTP_201_CREATED)

    @extend_schema(request=TermDiscountSerializer, responses={200: TermDiscountSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Write a rule anew; signed terms keep what they were signed with."""
        rule = term_discounts.save_term_discount(
            values=self.read(TermDiscountSerializer, partial=True), rule_id=self.get_object().id
        )
        return self.show(rule, TermDiscountSerializer)

    @extend_schema(request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget a rule."""
        term_discounts.delete_term_discount(rule_id=self.get_object().id)
        return Response(status=status.HTTP_204_NO_CONTENT)

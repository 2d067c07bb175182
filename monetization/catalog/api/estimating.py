"""Price anything for given quantities, by the functions that bill; nothing is stored."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monetization.interface.fields import (
    ChargeModelField,
    CurrencyField,
    ExactField,
    InputSerializer,
)
from monetization.kernel.decimals import plain
from monetization.kernel.money import Money, total
from monetization.pricing.arithmetic import exact_sum
from monetization.pricing.codec import price_from_data
from monetization.pricing.rating import Charge, rate

MAX_ITEMS = 1000


class EstimateItemSerializer(InputSerializer):
    """A charge model, inline as in the catalog, and a quantity."""

    model = ChargeModelField()
    quantity = ExactField(default=Decimal(1))


class EstimateRequestSerializer(InputSerializer):
    currency = CurrencyField()
    items = EstimateItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]


class EstimateStepSerializer(serializers.Serializer[Any]):
    """One tier, unit or package, exact: only the line is rounded."""

    key = serializers.CharField()
    label = serializers.CharField()
    quantity = serializers.CharField()
    unit_price = serializers.CharField()
    exact = serializers.CharField()


class EstimatedLineSerializer(serializers.Serializer[Any]):
    quantity = serializers.CharField()
    exact = serializers.CharField(help_text="Before rounding.")
    amount = serializers.CharField(help_text="Rounded once, half away from zero.")
    steps = EstimateStepSerializer(many=True)


class EstimateAnswerSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    total = serializers.CharField()
    lines = EstimatedLineSerializer(many=True)


class EstimateView(APIView):
    """A calculator over the pricing core."""

    action = "estimate"
    action_permissions = {"estimate": "catalog:read"}  # a POST that writes nothing

    @extend_schema(
        operation_id="pricing_estimate",
        request=EstimateRequestSerializer,
        responses={200: EstimateAnswerSerializer},
    )
    def post(self, request: Request) -> Response:
        """Price any set of charge models for given quantities; stores nothing."""
        serializer = EstimateRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        currency = serializer.validated_data["currency"]
        lines, amounts = [], []
        for item in serializer.validated_data["items"]:
            charges = rate(price_from_data(item["model"]), item["quantity"])
            exact = exact_sum(charge.amount for charge in charges)
            amounts.append(Money.rounded(Fraction(exact), currency))
            lines.append(
                {
                    "quantity": plain(item["quantity"]),
                    "exact": plain(exact),
                    "amount": str(amounts[-1].amount),
                    "steps": [_step(charge) for charge in charges],
                }
            )
        whole = total(amounts, currency)
        return Response({"currency": currency, "total": str(whole.amount), "lines": lines})


def _step(charge: Charge) -> dict[str, str]:
    return {
        "key": charge.key,
        "label": charge.label,
        "quantity": plain(charge.quantity),
        "unit_price": plain(charge.unit_price),
        "exact": plain(charge.amount),
    }

"""Price anything for given quantities, by the functions that bill; nothing is stored."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monetization.catalog.api.estimate_fields import (
    REQUEST_EXAMPLES,
    EstimateAnswerSerializer,
    EstimateRequestSerializer,
    grants_of,
    uses_of,
)
from monetization.kernel.decimals import plain
from monetization.kernel.money import Money, total
from monetization.pricing.credits import PaidLine, pay_lines
from monetization.pricing.estimate import Component, PricedLine, price_once


class EstimateView(APIView):
    """Price one whole billing period of any set of prices together; stores nothing.

    Percentages of other lines, minimums, caps and credits look at the whole set. Each line
    is rounded once, and comes with the steps it adds up from.
    """

    action = "estimate"
    action_permissions = {"estimate": "catalog:read"}  # a POST that writes nothing

    @extend_schema(
        operation_id="pricing_estimate",
        request=EstimateRequestSerializer,
        responses={200: EstimateAnswerSerializer},
        examples=REQUEST_EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        serializer = EstimateRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        asked = serializer.validated_data
        currency = asked["currency"]
        uses = uses_of(asked["items"])
        lines = price_once(uses, currency, asked["time_zone"])
        shown = [line for line in lines if line.kind == "item" or line.amount]
        whole = total((line.amount for line in shown), currency)
        answer: dict[str, Any] = {
            "currency": currency,
            "total": str(whole.amount),
            "lines": [_line(line) for line in shown],
        }
        if asked.get("credits"):
            answer |= _paid(asked["credits"], shown, currency)
        return Response(answer)


def _line(line: PricedLine) -> dict[str, Any]:
    return {
        "key": line.item_key,
        "kind": line.kind,
        "quantity": None if line.quantity is None else plain(line.quantity),
        "exact": plain(line.exact),
        "amount": str(line.amount.amount),
        "steps": [_step(component) for component in line.components],
    }


def _step(part: Component) -> dict[str, Any]:
    return {
        "key": part.key,
        "label": part.label,
        "quantity": None if part.quantity is None else plain(part.quantity),
        "unit_price": None if part.unit_price is None else plain(part.unit_price),
        "exact": plain(part.exact),
    }


def _paid(rows: list[dict[str, Any]], lines: list[PricedLine], currency: str) -> dict[str, Any]:
    """Let credits pay the lines, in burn order."""
    grants = grants_of(rows)
    balances = {grant.id: grant.amount for grant in grants}
    paid, left = pay_lines(
        grants, balances, [(line.item_key, line.amount.amount) for line in lines]
    )
    due = total((Money(line.due, currency) for line in paid), currency)
    return {
        "credits": [_use(line, taken) for line in paid for taken in line.consumptions],
        "balances": {grant_id: plain(balance) for grant_id, balance in left.items()},
        "amount_due": str(due.amount),
    }


def _use(line: PaidLine, taken: Any) -> dict[str, str]:
    return {"credit": taken.grant_id, "line": line.key, "amount": plain(taken.amount)}

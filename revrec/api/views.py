"""Revenue over REST: what was earned, what is deferred, and closing the month."""

from datetime import date
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monetization.interface.fields import (
    MONTH_SCHEMA,
    AmountField,
    CurrencyField,
    DayField,
    InputSerializer,
    MonthField,
    amount_text,
)
from monetization.interface.idempotency import IdempotentMixin
from monetization.ledger import selectors as ledger
from monetization.ledger.api.views import AccountingPeriodSerializer
from monetization.ledger.services import reopen_period
from revrec import selectors, services

MAX_MONTHS = 120


class MonthRangeSerializer(serializers.Serializer[Any]):
    """Months from one up to and including another."""

    from_month = MonthField()
    to_month = MonthField()
    currency = CurrencyField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = attrs["from_month"], attrs["to_month"]
        if end < start:
            raise serializers.ValidationError({"to_month": "must not be before from_month"})
        if (end.year - start.year) * 12 + end.month - start.month >= MAX_MONTHS:
            raise serializers.ValidationError({"to_month": f"at most {MAX_MONTHS} months at once"})
        return attrs


_RANGE = [
    OpenApiParameter("from_month", MONTH_SCHEMA, required=True),
    OpenApiParameter("to_month", MONTH_SCHEMA, required=True, description="Inclusive."),
]


def _asked(request: Request, serializer_class: Any = MonthRangeSerializer) -> dict[str, Any]:
    serializer = serializer_class(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found


class MonthAmountSerializer(serializers.Serializer[Any]):
    month = MonthField()
    amount = serializers.CharField()


class WaterfallRowSerializer(serializers.Serializer[Any]):
    """Planned revenue of one product in one currency, month by month."""

    product = serializers.CharField()
    currency = serializers.CharField()
    total = serializers.CharField()
    months = MonthAmountSerializer(many=True)


class WaterfallSerializer(serializers.Serializer[Any]):
    rows = WaterfallRowSerializer(many=True)


class WaterfallView(APIView):
    """What fixed lines earn by month."""

    permission_resource = "revenue"

    @extend_schema(
        operation_id="revenue_waterfall",
        parameters=[*_RANGE, OpenApiParameter("currency", str)],
        responses={200: WaterfallSerializer},
    )
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        rows = selectors.waterfall(
            start=asked["from_month"],
            end=selectors.month_end(asked["to_month"]),
            currency=asked.get("currency"),
        )
        return Response({"rows": [_waterfall_row(row) for row in rows]})


def _waterfall_row(row: selectors.WaterfallRow) -> dict[str, Any]:
    return {
        "product": row.product,
        "currency": row.currency,
        "total": amount_text(row.total, row.currency),
        "months": [
            {"month": f"{month:%Y-%m}", "amount": amount_text(amount, row.currency)}
            for month, amount in sorted(row.planned.items())
        ],
    }


class RollForwardRowSerializer(serializers.Serializer[Any]):
    """opening + billed - recognized - credited = closing."""

    month = MonthField()
    currency = serializers.CharField()
    opening = AmountField()
    billed = AmountField()
    recognized = AmountField()
    credited = AmountField()
    closing = AmountField()


class RollForwardSerializer(serializers.Serializer[Any]):
    rows = RollForwardRowSerializer(many=True)


class RollForwardView(APIView):
    """Deferred revenue by month and currency."""

    permission_resource = "revenue"

    @extend_schema(
        operation_id="revenue_deferred_roll_forward",
        parameters=_RANGE,
        responses={200: RollForwardSerializer},
    )
    def get(self, request: Request) -> Response:
        asked = _asked(request)
        rows = selectors.deferred_roll_forward(
            start=asked["from_month"], end=selectors.month_end(asked["to_month"])
        )
        return Response({"rows": RollForwardRowSerializer(rows, many=True).data})


class TrialBalanceQuerySerializer(serializers.Serializer[Any]):
    as_of = DayField(required=False)
    since = DayField(required=False)


class TrialBalanceRowSerializer(serializers.Serializer[Any]):
    """One account in one currency. Debits positive."""

    account = serializers.CharField()
    currency = serializers.CharField()
    debit = AmountField()
    credit = AmountField()
    balance = AmountField()


class TrialBalanceSerializer(serializers.Serializer[Any]):
    rows = TrialBalanceRowSerializer(many=True)


class TrialBalanceView(APIView):
    """Every account per currency."""

    permission_resource = "revenue"

    @extend_schema(
        operation_id="revenue_trial_balance",
        parameters=[
            OpenApiParameter("as_of", date, description="The last day counted."),
            OpenApiParameter("since", date, description="The first day counted."),
        ],
        responses={200: TrialBalanceSerializer},
    )
    def get(self, request: Request) -> Response:
        rows = ledger.trial_balance(**_asked(request, TrialBalanceQuerySerializer))
        return Response({"rows": TrialBalanceRowSerializer(rows, many=True).data})


class MonthSerializer(InputSerializer):
    month = MonthField()


class ReopenSerializer(MonthSerializer):
    reason = serializers.CharField(max_length=1000)


class RecognizedSerializer(serializers.Serializer[Any]):
    month = MonthField()
    entries = serializers.IntegerField(help_text="Journal entries posted; 0: it was up to date.")


class RevenueAction(IdempotentMixin, APIView):
    """Something done to a month of the books."""

    permission_resource = "revenue"

    def read(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        found: dict[str, Any] = serializer.validated_data
        return found


class RecognizeView(RevenueAction):
    """Post what a month earned."""

    @extend_schema(
        operation_id="revenue_recognize",
        request=MonthSerializer,
        responses={200: RecognizedSerializer},
    )
    def post(self, request: Request) -> Response:
        """Post what was earned by a month's end and is not posted yet; repeat it at will."""
        month = self.read(MonthSerializer)["month"]
        entries = services.recognize_month(month=month, now=timezone.now())
        return Response({"month": f"{month:%Y-%m}", "entries": entries})


class CloseView(RevenueAction):
    """Close a month."""

    @extend_schema(
        operation_id="revenue_close",
        request=MonthSerializer,
        responses={200: AccountingPeriodSerializer},
    )
    def post(self, request: Request) -> Response:
        """Recognize a month and close its books; drafts of the month must be issued first."""
        month = self.read(MonthSerializer)["month"]
        period = services.close_month(month=month, now=timezone.now())
        return Response(AccountingPeriodSerializer(period).data)


class ReopenView(RevenueAction):
    """Reopen a month."""

    @extend_schema(
        operation_id="revenue_reopen",
        request=ReopenSerializer,
        responses={200: AccountingPeriodSerializer},
    )
    def post(self, request: Request) -> Response:
        """Reopen a closed month; the reason is kept on the stream."""
        period = reopen_period(**self.read(ReopenSerializer), now=timezone.now())
        return Response(AccountingPeriodSerializer(period).data)

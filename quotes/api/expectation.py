"""What a quote would bill for a prospect's usage, over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import AmountField, ExactField, InputSerializer
from monetization.kernel.decimals import plain
from monetization.tenancy.models import tenant_today
from quotes import selectors
from quotes.api import details
from quotes.api.agreeing import AgreeingActions
from quotes.domain.expectation import expected_bills
from quotes.services import expectation


class UsageRowSerializer(InputSerializer):
    """The units of a meter in a month."""

    month = serializers.RegexField(r"\A[12][0-9]{3}-(0[1-9]|1[0-2])\Z", help_text="2026-01")
    meter = serializers.CharField(max_length=60)
    quantity = ExactField(whole=12)


class ExpectedBillRequestSerializer(InputSerializer):
    """A prospect's months, or those we measured."""

    usage = UsageRowSerializer(many=True, required=False, max_length=expectation.MOST_ROWS)  # type: ignore[call-arg]
    measured = serializers.BooleanField(
        required=False, help_text="Take the customer's last twelve whole months instead."
    )


class SpreadSerializer(serializers.Serializer[Any]):
    p10 = AmountField(source="p10.amount", currency="p10.currency")
    p50 = AmountField(source="p50.amount", currency="p50.currency")
    p90 = AmountField(source="p90.amount", currency="p90.currency")


class DatedSpreadSerializer(SpreadSerializer):
    bill_on = serializers.DateField()


class ExpectedBillSerializer(serializers.Serializer[Any]):
    """P10, P50 and P90 of what would be billed."""

    months = serializers.IntegerField(help_text="Of history, as many outcomes.")
    term = SpreadSerializer()
    by_bill_date = DatedSpreadSerializer(many=True)


class ExpectationActions(AgreeingActions):
    """What a quote would bill."""

    @extend_schema(
        operation_id="quotes_expected_bill",
        request=ExpectedBillRequestSerializer,
        responses={200: ExpectedBillSerializer},
    )
    @action(detail=True, methods=["post"], url_path="expected-bill", filter_backends=[])
    def expected_bill(self, request: Request, pk: str) -> Response:
        """Price the latest version for the usage a prospect had; nothing is stored."""
        quote = self.get_object()
        body = self.read(ExpectedBillRequestSerializer)
        terms = selectors.terms_of(details.latest_of(quote))
        if body.get("measured"):
            history = expectation.measured_history(
                customer_id=quote.customer_id, terms=terms, today=tenant_today()
            )
        else:
            rows = [
                expectation.UsageRow(row["month"], row["meter"], plain(row["quantity"]))
                for row in body.get("usage", [])
            ]
            history = expectation.history_of(rows, terms)
        found = expected_bills(terms, history)
        dated = [
            {"bill_on": day, "p10": one.p10, "p50": one.p50, "p90": one.p90}
            for day, one in found.by_bill_date.items()
        ]
        answer = {"months": found.months, "term": found.term, "by_bill_date": dated}
        return self.show(answer, ExpectedBillSerializer)

"""What quotes would earn, over REST."""

from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.serializers import UnusedTimeSerializer
from monetization.interface.fields import AmountField, MonthField
from monetization.kernel.errors import Refusal
from quotes.models import QuoteVersion
from quotes.selectors import terms_of, version_for_reading
from revrec import selectors
from revrec.domain.preview import revenue_preview


class NothingAmended(Refusal):
    """The quote amends no contract that is billed at present."""


class RevenueMonthSerializer(serializers.Serializer[Any]):
    """A month of an offer, net of tax, with the usage that is expected."""

    month = MonthField()
    billed = AmountField(source="billed.amount", currency="billed.currency")
    committed = AmountField(
        source="committed.amount", currency="committed.currency", help_text="Earned as agreed."
    )
    expected = AmountField(
        source="expected.amount", currency="expected.currency", help_text="Earned by use."
    )
    balance = AmountField(
        source="balance.amount",
        currency="balance.currency",
        help_text="Billed less earned by its end: deferred; negative: unbilled.",
    )


class QuoteRevenueSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    currency = serializers.CharField()
    months = RevenueMonthSerializer(many=True)


class EffectMonthSerializer(serializers.Serializer[Any]):
    """What fixed fees earn in a month with and without the amendment."""

    month = MonthField()
    before = AmountField(source="before.amount", currency="before.currency")
    after = AmountField(source="after.amount", currency="after.currency")
    difference = AmountField(source="difference.amount", currency="difference.currency")


class AmendmentPreviewSerializer(serializers.Serializer[Any]):
    """What signing an amendment would credit, charge and earn."""

    schedule = serializers.UUIDField(source="schedule.id")
    credits = UnusedTimeSerializer(source="billing.unused", many=True)
    credit = AmountField(
        source="billing.credit.amount",
        currency="billing.credit.currency",
        help_text="Zero or less.",
    )
    first_bill = AmountField(
        source="billing.first_bill.amount", currency="billing.first_bill.currency"
    )
    first_bill_on = serializers.DateField(source="billing.first_bill_on", allow_null=True)
    first_invoice = AmountField(
        source="billing.net.amount",
        currency="billing.net.currency",
        help_text="The first bill less the credit.",
    )
    remaining_before = AmountField(
        source="billing.remaining_before.amount", currency="billing.remaining_before.currency"
    )
    remaining_after = AmountField(
        source="billing.remaining_after.amount", currency="billing.remaining_after.currency"
    )
    revenue = EffectMonthSerializer(source="months", many=True)


def _latest(quote_id: UUID) -> QuoteVersion:
    try:
        return version_for_reading(quote_id)
    except QuoteVersion.DoesNotExist:
        raise Http404 from None


class QuoteRevenueView(APIView):
    """What a quote would earn."""

    permission_resource = "quotes"

    @extend_schema(
        operation_id="quotes_revenue",
        parameters=[OpenApiParameter("pk", str, OpenApiParameter.PATH)],
        responses={200: QuoteRevenueSerializer},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what the latest version would bill and earn, month by month."""
        version = _latest(pk)
        months = revenue_preview(terms_of(version))
        found = {"version": version.number, "currency": version.currency, "months": months}
        return Response(QuoteRevenueSerializer(found).data)


class AmendmentPreviewView(APIView):
    """What an amendment would do."""

    permission_resource = "quotes"

    @extend_schema(
        operation_id="quotes_amendment_preview",
        parameters=[OpenApiParameter("pk", str, OpenApiParameter.PATH)],
        responses={200: AmendmentPreviewSerializer},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """Read what signing the latest version would credit, charge and earn; nothing is stored."""
        version = _latest(pk)
        schedule = selectors.amended_schedule(version)
        if schedule is None:
            raise NothingAmended(f"{version.quote.number} amends no contract that is billed now")
        found = selectors.effect_of(schedule, terms_of(version))
        return Response(AmendmentPreviewSerializer(found).data)

"""What changed between two versions, over REST."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import amount_text
from monetization.kernel.money import Money
from quotes import selectors
from quotes.api import details
from quotes.api.expectation import ExpectationActions
from quotes.domain.comparison import Change, compare_versions
from quotes.domain.differences import MoneyRow, money_rows, named_changes
from quotes.models import QuoteVersion
from quotes.templatetags.order_words import fact, in_currency


class ChangesQuerySerializer(serializers.Serializer[Any]):
    from_version = serializers.IntegerField(min_value=1, max_value=999_999)
    to_version = serializers.IntegerField(min_value=1, max_value=999_999)


class ChangeSerializer(serializers.Serializer[Any]):
    """One difference, in words."""

    where = serializers.CharField(help_text="Phase and product; empty: the whole agreement.")
    what = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class MoneyChangeSerializer(serializers.Serializer[Any]):
    """A sum of both versions; null where one of them has no such year."""

    label = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    difference = serializers.CharField(allow_null=True, help_text="Null across currencies.")


class ChangesSerializer(serializers.Serializer[Any]):
    from_version = serializers.IntegerField()
    to_version = serializers.IntegerField()
    summary = serializers.CharField(help_text="What changed, named; empty: nothing.")
    money = MoneyChangeSerializer(many=True)
    changes = ChangeSerializer(many=True)


_BOUNDS = [
    OpenApiParameter("from_version", OpenApiTypes.INT, required=True),
    OpenApiParameter("to_version", OpenApiTypes.INT, required=True),
]


class ChangesActions(ExpectationActions):
    """What two versions differ by."""

    @extend_schema(
        operation_id="quotes_changes", parameters=_BOUNDS, responses={200: ChangesSerializer}
    )
    @action(detail=True, filter_backends=[])
    def changes(self, request: Request, pk: str) -> Response:
        """Compare two versions in words and in money."""
        asked = ChangesQuerySerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        versions = details.versions_of(self.get_object())
        before: QuoteVersion = versions.get(number=asked.validated_data["from_version"])
        after: QuoteVersion = versions.get(number=asked.validated_data["to_version"])
        facts = [selectors.version_facts(one) for one in (before, after)]
        found = compare_versions(*facts)
        totals = [selectors.totals_of(one.terms) for one in facts]
        answer = {
            "from_version": before.number,
            "to_version": after.number,
            "summary": named_changes(found),
            "money": [_money(row) for row in money_rows(*totals)],
            "changes": [_words(one, before, after) for one in found],
        }
        return self.show(answer, ChangesSerializer)


def _words(change: Change, before: QuoteVersion, after: QuoteVersion) -> dict[str, str]:
    return {
        "where": change.where,
        "what": change.what,
        "before": in_currency(fact(change.before, change.kind), before.currency),
        "after": in_currency(fact(change.after, change.kind), after.currency),
    }


def _money(row: MoneyRow) -> dict[str, str | None]:
    def text(amount: Money | None) -> str | None:
        return amount_text(amount.amount, amount.currency) if amount is not None else None

    return {
        "label": row.label,
        "before": text(row.before),
        "after": text(row.after),
        "difference": text(row.difference),
    }

"""The books over REST: journal entries with their postings, and which months are closed."""

from typing import Any

import django_filters
from django.db.models import Prefetch
from rest_framework import mixins, serializers

from monetization.interface.fields import AmountField, MonthField
from monetization.interface.pagination import CursorPages
from monetization.interface.viewsets import ApiViewSet
from monetization.ledger.accounts import Account
from monetization.ledger.models import AccountingPeriod, JournalEntry, Posting


class PostingSerializer(serializers.Serializer[Any]):
    """One side of an entry: debits positive, credits negative."""

    account = serializers.ChoiceField(choices=[account.value for account in Account])
    amount = AmountField()
    currency = serializers.CharField()
    customer = serializers.UUIDField(source="customer_id", allow_null=True)
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)
    schedule = serializers.UUIDField(source="contract_id", allow_null=True)
    item_key = serializers.CharField()


class JournalEntrySerializer(serializers.Serializer[Any]):
    """A balanced set of postings, caused by one event. It never changes."""

    id = serializers.UUIDField()
    entry_date = serializers.DateField()
    rule = serializers.CharField()
    memo = serializers.CharField()
    event = serializers.UUIDField(source="event_id")
    legal_entity = serializers.UUIDField(source="legal_entity_id")
    reverses = serializers.UUIDField(source="reverses_id", allow_null=True)
    month_of_origin = MonthField(
        source="period_of_origin", allow_null=True, help_text="The closed month it catches up."
    )
    recorded_at = serializers.DateTimeField()
    postings = PostingSerializer(many=True)


class AccountingPeriodSerializer(serializers.Serializer[Any]):
    """A month of the books that was closed at some time. Months not listed are open."""

    month = MonthField()
    status = serializers.ChoiceField(choices=AccountingPeriod.Status.choices)
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_by = serializers.CharField()


class JournalEntryFilters(django_filters.FilterSet):
    entry_date_from = django_filters.DateFilter(field_name="entry_date", lookup_expr="gte")
    entry_date_to = django_filters.DateFilter(
        field_name="entry_date", lookup_expr="lte", help_text="Inclusive."
    )
    rule = django_filters.CharFilter()
    event = django_filters.UUIDFilter(field_name="event_id")
    account = django_filters.ChoiceFilter(
        method="by_posting", choices=[(account.value, account.label) for account in Account]
    )
    customer = django_filters.UUIDFilter(method="by_posting")
    invoice = django_filters.UUIDFilter(method="by_posting")
    schedule = django_filters.UUIDFilter(method="by_posting")

    _COLUMNS = {
        "account": "account",
        "customer": "customer_id",
        "invoice": "invoice_id",
        "schedule": "contract_id",
    }

    def by_posting(self, rows: Any, name: str, value: Any) -> Any:
        postings = Posting.objects.filter(**{self._COLUMNS[name]: value})
        return rows.filter(id__in=postings.values("entry_id"))


class JournalEntryViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Journal entries, last posted first."""

    model = JournalEntry
    serializer_class = JournalEntrySerializer
    filterset_class = JournalEntryFilters
    permission_resource = "revenue"

    def rows(self) -> Any:
        postings = Posting.objects.order_by("id")
        return JournalEntry.objects.prefetch_related(Prefetch("postings", postings))


class MonthPages(CursorPages):
    ordering = "-month"


class AccountingPeriodViewSet(mixins.ListModelMixin, ApiViewSet):
    """Which months are closed. `/revenue/close` and `/revenue/reopen` change it."""

    model = AccountingPeriod
    serializer_class = AccountingPeriodSerializer
    pagination_class = MonthPages
    permission_resource = "revenue"

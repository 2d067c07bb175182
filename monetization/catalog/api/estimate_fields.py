"""What the calculator takes and answers, with an example for each charge model."""

from datetime import UTC
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from monetization.catalog.models import Price
from monetization.interface.fields import CurrencyField, ExactField, InputSerializer, TimeZoneField
from monetization.interface.price_fields import ChargeModelField, ModifiersField
from monetization.interface.price_schema import MODEL_EXAMPLES
from monetization.kernel.decimals import exact_decimal
from monetization.kernel.period import Frequency
from monetization.pricing.codec import price_from_data
from monetization.pricing.credits import NEVER, Grant
from monetization.pricing.estimate import PriceUse, SeatDays
from monetization.pricing.prices import Seat
from monetization.pricing.terms.modifiers import modifiers_from_data
from monetization.pricing.usage import Usage, UsagePart, minute_of_week

MAX_ITEMS, MAX_EVENTS, MAX_CREDITS = 1000, 10_000, 200


class EstimateEventSerializer(InputSerializer):
    """One event, for prices that look at events."""

    quantity = ExactField(help_text="Units, or the money it carries.")
    properties = serializers.DictField(child=serializers.CharField(max_length=200), required=False)
    time = serializers.DateTimeField(
        required=False, default_timezone=UTC, help_text="For prices by time of use."
    )


class SeatChangeSerializer(InputSerializer):
    day = serializers.IntegerField(min_value=1, max_value=366, help_text="Of the period; 1 first.")
    balance = ExactField(help_text="The number of seats from that day on.")


class EstimateItemSerializer(InputSerializer):
    """A price, inline as in the catalog, and what was used of it."""

    key = serializers.RegexField(
        r"\A[^:\s][^:]*\Z",
        max_length=100,
        required=False,
        help_text="What other lines and credits call it; item-1, item-2 … by default.",
    )
    model = ChargeModelField()
    modifiers = ModifiersField(required=False)
    quantity = ExactField(required=False, help_text="1 by default.")
    events = EstimateEventSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=MAX_EVENTS, help_text="Instead of a quantity."
    )
    seat_changes = SeatChangeSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=1000, help_text="Of a seat price, from `quantity` on."
    )
    used_before = ExactField(
        required=False, help_text="Used earlier in the window, where tiers run on."
    )
    frequency = serializers.ChoiceField(choices=Price.Frequency.choices, default="monthly")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "events" in attrs and "quantity" in attrs:
            raise serializers.ValidationError({"events": "give events or a quantity, not both"})
        if "seat_changes" in attrs and attrs["model"]["model"] != "seat":
            raise serializers.ValidationError({"seat_changes": "only a seat price has them"})
        return attrs


class EstimateCreditSerializer(InputSerializer):
    """A credit grant in the currency; several pay in burn order."""

    key = serializers.CharField(max_length=100)
    amount = ExactField(whole=15)
    priority = serializers.IntegerField(
        default=0, min_value=-1000, max_value=1000, help_text="The lowest pays first."
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default_timezone=UTC)
    is_paid = serializers.BooleanField(default=False, help_text="Promotional ones pay first.")
    lines = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        max_length=MAX_ITEMS,
        help_text="Keys of the lines it may pay; all by default.",
    )


class EstimateRequestSerializer(InputSerializer):
    currency = CurrencyField()
    time_zone = TimeZoneField(
        max_length=63, default="UTC", help_text="The contract's: decides the hour of an event."
    )
    items = EstimateItemSerializer(many=True, max_length=MAX_ITEMS)  # type: ignore[call-arg]
    credits = EstimateCreditSerializer(  # type: ignore[call-arg]
        many=True, required=False, max_length=MAX_CREDITS
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        for number, item in enumerate(attrs["items"], start=1):
            item.setdefault("key", f"item-{number}")
            item["time_zone"] = attrs["time_zone"]
        for name in ("items", "credits"):
            keys: set[str] = set()
            for number, row in enumerate(attrs.get(name, ())):
                if row["key"] in keys:
                    detail = {f"{name}[{number}].key": f"{row['key']!r} appears twice"}
                    raise serializers.ValidationError(detail)
                keys.add(row["key"])
        return attrs


class EstimateStepSerializer(serializers.Serializer[Any]):
    """One tier, unit, discount or cap, exact: only the line is rounded."""

    key = serializers.CharField()
    label = serializers.CharField()
    quantity = serializers.CharField(allow_null=True)
    unit_price = serializers.CharField(allow_null=True)
    exact = serializers.CharField()


class EstimatedLineSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="Of the item; minimums follow the items.")
    kind = serializers.ChoiceField(choices=["item", "minimum"])
    quantity = serializers.CharField(allow_null=True)
    exact = serializers.CharField(help_text="Before rounding.")
    amount = serializers.CharField(help_text="Rounded once, half away from zero.")
    steps = EstimateStepSerializer(many=True)


class CreditUseSerializer(serializers.Serializer[Any]):
    credit = serializers.CharField()
    line = serializers.CharField()
    amount = serializers.CharField()


class EstimateAnswerSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    total = serializers.CharField(help_text="Before credits.")
    lines = EstimatedLineSerializer(many=True)
    credits = CreditUseSerializer(many=True, required=False, help_text="What credits paid.")
    balances = serializers.DictField(
        child=serializers.CharField(), required=False, help_text="What is left of each credit."
    )
    amount_due = serializers.CharField(required=False, help_text="After credits.")


def uses_of(items: list[dict[str, Any]]) -> list[PriceUse]:
    """Return what is asked as the pricing core takes it.

    :raises PriceError: naming the field.
    """
    return [
        PriceUse(
            key=row["key"],
            model=price_from_data(row["model"]),
            modifiers=modifiers_from_data(row.get("modifiers")),
            used=_used(row, f"items[{number}]"),
            before=row.get("used_before", exact_decimal("0")),
            frequency=Frequency(row["frequency"]),
        )
        for number, row in enumerate(items)
    ]


def _used(row: dict[str, Any], path: str) -> Any:
    quantity = row.get("quantity", exact_decimal("1"))
    if "events" in row:
        return Usage.of(
            UsagePart(
                event["quantity"],
                event.get("properties", {}),
                minute_of_week(event["time"], row["time_zone"]) if "time" in event else None,
            )
            for event in row["events"]
        )
    if isinstance(price_from_data(row["model"]), Seat):
        changes = row.get("seat_changes", ())
        return SeatDays(quantity, tuple((one["day"], one["balance"]) for one in changes))
    return quantity


def grants_of(rows: list[dict[str, Any]]) -> list[Grant]:
    """Return credits as grants, in the order given."""
    return [
        Grant(
            id=row["key"],
            amount=row["amount"],
            priority=row["priority"],
            expires_at=row.get("expires_at") or NEVER,
            cost_basis=exact_decimal("1") if row["is_paid"] else exact_decimal("0"),
            scope=frozenset(row["lines"]) if "lines" in row else None,
            created=number,
        )
        for number, row in enumerate(rows)
    ]


_USED: dict[str, dict[str, Any]] = {
    "flat": {},
    "percentage": {"events": [{"quantity": "40.00"}, {"quantity": "1250.00"}]},
    "matrix": {
        "events": [
            {"quantity": "1200", "properties": {"model": "large", "region": "eu"}},
            {"quantity": "300", "properties": {"model": "small"}},
        ]
    },
    "time_of_use": {
        "events": [
            {"quantity": "10", "time": "2026-01-05T09:00:00Z"},
            {"quantity": "4", "time": "2026-01-05T23:00:00Z"},
        ]
    },
    "capacity": {"events": [{"quantity": "3", "properties": {"unit": "cores"}}]},
    "seat": {"quantity": "12", "seat_changes": [{"day": 16, "balance": "14"}]},
}


def _example(name: str) -> OpenApiExample:
    item = {"model": MODEL_EXAMPLES[name], **_USED.get(name, {"quantity": "1500"})}
    items = [item]
    if name == "percent_of":
        items = [{"key": "platform", "model": MODEL_EXAMPLES["flat"]}, {"model": item["model"]}]
    body = {"currency": "USD", "items": items}
    return OpenApiExample(name.replace("_", " ").capitalize(), value=body, request_only=True)


REQUEST_EXAMPLES = [
    *(_example(name) for name in MODEL_EXAMPLES),
    OpenApiExample(
        "With modifiers and credits",
        value={
            "currency": "USD",
            "items": [
                {
                    "key": "calls",
                    "model": MODEL_EXAMPLES["graduated"],
                    "quantity": "2500",
                    "modifiers": {
                        "included": {"units": "500"},
                        "discounts": [{"percent": "10"}],
                        "cap": {"amount": "150"},
                    },
                }
            ],
            "credits": [{"key": "welcome", "amount": "50"}],
        },
        request_only=True,
    ),
]

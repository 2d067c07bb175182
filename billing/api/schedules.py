"""Billing schedules over REST: made from what was signed, activated, suspended, cancelled."""

from typing import Any

import django_filters
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.serializers import UnusedTimeSerializer
from billing.models import BillingPeriod, BillingSchedule, Phase, SeatBalance, UsageEstimate
from billing.selectors.drift import drift_of
from billing.services import schedules as services
from billing.services.amendments import check_end, end_schedule, unused_time
from billing.services.automatic import set_automatic
from billing.services.estimates import set_estimate
from billing.services.seats import record_seats
from billing.services.thresholds import set_threshold
from monetization.interface.fields import AmountField, DayField, ExactField, InputSerializer
from monetization.interface.idempotency import IdempotentMixin
from monetization.interface.viewsets import ApiViewSet
from monetization.kernel.money import total
from quotes.models import OrderForm


class ScheduleSerializer(serializers.Serializer[Any]):
    """How a signed order form is billed."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=BillingSchedule.Status.choices)
    customer = serializers.UUIDField(source="customer_id")
    customer_name = serializers.CharField(source="customer.name")
    order_form = serializers.UUIDField(source="order_form_id", allow_null=True)
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    start_on = serializers.DateField()
    end_on = serializers.DateField(allow_null=True, help_text="Exclusive; null: open-ended.")
    payment_terms_days = serializers.IntegerField()
    purchase_order = serializers.CharField()
    grace_hours = serializers.IntegerField()
    threshold_amount = AmountField(
        currency="currency",
        allow_null=True,
        help_text="Usage is billed ahead whenever this much accrued; null: at its period's end.",
    )
    activated_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    auto_issue = serializers.BooleanField(help_text="Drafts are issued by themselves.")
    auto_send = serializers.BooleanField(help_text="Invoices are sent by themselves.")


class SchedulePhaseSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    kind = serializers.CharField()
    start_on = serializers.DateField()
    end_on = serializers.DateField(allow_null=True, help_text="Exclusive.")


class BillingPeriodSerializer(serializers.Serializer[Any]):
    """One line of the terms over one stretch of service, and where it is billed."""

    id = serializers.UUIDField()
    phase = serializers.CharField(source="phase.key")
    kind = serializers.ChoiceField(choices=BillingPeriod.Kind.choices)
    item_key = serializers.CharField()
    service_start = serializers.DateField()
    service_end = serializers.DateField(help_text="Exclusive.")
    bill_on = serializers.DateField()
    invoice = serializers.UUIDField(source="invoice_id", allow_null=True)


class UsageEstimateSerializer(InputSerializer):
    """How a usage line is estimated once its period is over, until the actuals come."""

    item_key = serializers.CharField(max_length=100, help_text="Of the usage line in the terms.")
    basis = serializers.ChoiceField(
        choices=[("", "Not estimated"), *UsageEstimate.Basis.choices], allow_blank=True
    )
    quantity = ExactField(
        allow_null=True, default=None, help_text="Of a full period, for the basis `fixed`."
    )
    is_always = serializers.BooleanField(
        default=False, help_text="Also where something was measured by then."
    )


class ScheduleDetailSerializer(ScheduleSerializer):
    """A schedule with the signed terms, its phases and its billing periods."""

    terms = serializers.DictField()
    terms_sha256 = serializers.CharField(help_text="Of the terms as signed.")
    phases = SchedulePhaseSerializer(many=True)
    estimates = UsageEstimateSerializer(many=True)
    periods = BillingPeriodSerializer(many=True)


class EndSerializer(InputSerializer):
    end = DayField(help_text="The first day that is not billed.")


class EndPreviewSerializer(serializers.Serializer[Any]):
    """What ending a contract early would leave unused of what is invoiced."""

    end = serializers.DateField(help_text="The first day that is not billed.")
    credits = UnusedTimeSerializer(source="unused", many=True)
    credit = AmountField(
        source="credit.amount",
        currency="credit.currency",
        help_text="Their sum, net: yours to credit if you owe it.",
    )


class ThresholdSerializer(InputSerializer):
    amount = ExactField(
        allow_null=True, help_text="Net, in the contract's currency; null takes it off."
    )


class AutomaticSerializer(InputSerializer):
    """What goes out by itself when nothing speaks against it."""

    issue = serializers.BooleanField(help_text="Drafts that pass every test are issued.")
    send = serializers.BooleanField(help_text="Issued invoices are mailed.")


class DriftSerializer(serializers.Serializer[Any]):
    """Something billed otherwise than signed."""

    what = serializers.CharField()
    amount = serializers.CharField(allow_null=True)
    invoice = serializers.UUIDField(allow_null=True)
    by = serializers.CharField()


class SeatBalanceSerializer(InputSerializer):
    """The number of seats of a line from a day on; the last word on a day counts."""

    item_key = serializers.CharField(max_length=100, help_text="Of the seat line in the terms.")
    effective_on = DayField(help_text="The day itself has the new number.")
    balance = ExactField(help_text="How many there are then: absolute, not a change.")
    recorded_at = serializers.DateTimeField(read_only=True)


class ScheduleFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=BillingSchedule.Status.choices)
    customer = django_filters.UUIDFilter(field_name="customer_id")
    order_form = django_filters.UUIDFilter(field_name="order_form_id")
    number = django_filters.CharFilter()
    currency = django_filters.CharFilter()


def schedule_with_details(schedule_id: Any) -> BillingSchedule:
    """Return a schedule with its phases and periods in order."""
    periods = BillingPeriod.objects.order_by("bill_on", "service_start", "kind", "item_key")
    found: BillingSchedule = (
        BillingSchedule.objects.select_related("customer")
        .prefetch_related(
            Prefetch("phases", Phase.objects.order_by("position")),
            Prefetch("periods", periods.select_related("phase")),
        )
        .get(id=schedule_id)
    )
    return found


class ScheduleViewSet(mixins.ListModelMixin, ApiViewSet):
    """Billing schedules."""

    model = BillingSchedule
    serializer_class = ScheduleSerializer
    filterset_class = ScheduleFilters
    permission_resource = "schedules"

    def rows(self) -> Any:
        return BillingSchedule.objects.select_related("customer")

    def _answer(self, schedule: BillingSchedule) -> Response:
        return self.show(schedule_with_details(schedule.id), ScheduleDetailSerializer)

    @extend_schema(responses={200: ScheduleDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        operation_id="schedules_seats_list", responses={200: SeatBalanceSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def seats(self, request: Request, pk: str) -> Response:
        """List the numbers of seats that were said, latest first."""
        return self.pages(
            SeatBalance.objects.filter(schedule=self.get_object()), SeatBalanceSerializer
        )

    @extend_schema(
        operation_id="schedules_seats_create",
        request=SeatBalanceSerializer,
        responses={201: SeatBalanceSerializer},
    )
    @seats.mapping.post
    def record_seats(self, request: Request, pk: str) -> Response:
        """Say how many seats a line has from a day on; open invoices follow at once."""
        schedule = self.get_object()
        body = self.read(SeatBalanceSerializer)
        found = record_seats(schedule_id=schedule.id, now=timezone.now(), **body)
        return self.show(found, SeatBalanceSerializer, status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="schedules_activate", request=None, responses={200: ScheduleDetailSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def activate(self, request: Request, pk: str) -> Response:
        """Start billing. A schedule that starts later waits; past periods become drafts."""
        schedule = self.get_object()
        return self._answer(services.activate_schedule(schedule_id=schedule.id, now=timezone.now()))

    def _change(self, name: str) -> Response:
        schedule = self.get_object()
        return self._answer(
            services.change_status(schedule_id=schedule.id, action=name, now=timezone.now())
        )

    @extend_schema(
        operation_id="schedules_suspend", request=None, responses={200: ScheduleDetailSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def suspend(self, request: Request, pk: str) -> Response:
        """Stop opening invoices until it is resumed."""
        return self._change("suspend")

    @extend_schema(
        operation_id="schedules_end",
        request=EndSerializer,
        responses={200: ScheduleDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def end(self, request: Request, pk: str) -> Response:
        """End the contract before its term: nothing is billed from that day on."""
        schedule = self.get_object()
        end_schedule(schedule_id=schedule.id, now=timezone.now(), **self.read(EndSerializer))
        return self._answer(schedule)

    @extend_schema(
        operation_id="schedules_end_preview",
        parameters=[EndSerializer],
        responses={200: EndPreviewSerializer},
    )
    @end.mapping.get
    def end_preview(self, request: Request, pk: str) -> Response:
        """Say what of issued invoices would be for days without service. Nothing is stored."""
        schedule = self.get_object()
        asked = EndSerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        end = asked.validated_data["end"]
        unused = unused_time(schedule, check_end(schedule, end))
        credit = total((part.amount for part in unused), schedule.currency)
        found = {"end": end, "unused": unused, "credit": credit}
        return self.show(found, EndPreviewSerializer)

    @extend_schema(
        operation_id="schedules_automatic",
        request=AutomaticSerializer,
        responses={200: ScheduleDetailSerializer},
    )
    @action(detail=True, methods=["put"], filter_backends=[])
    def automatic(self, request: Request, pk: str) -> Response:
        """Say whether drafts are issued, and issued invoices sent, by themselves."""
        schedule = self.get_object()
        body = self.read(AutomaticSerializer)
        set_automatic(schedule_id=schedule.id, now=timezone.now(), **body)
        return self._answer(schedule)

    @extend_schema(
        operation_id="schedules_threshold",
        request=ThresholdSerializer,
        responses={200: ScheduleDetailSerializer},
    )
    @action(detail=True, methods=["put"], filter_backends=[])
    def threshold(self, request: Request, pk: str) -> Response:
        """Say how much usage may accrue before it is billed, ahead of its period's end."""
        schedule = self.get_object()
        body = self.read(ThresholdSerializer)
        set_threshold(schedule_id=schedule.id, amount=body["amount"], now=timezone.now())
        return self._answer(schedule)

    @extend_schema(
        operation_id="schedules_estimate",
        request=UsageEstimateSerializer,
        responses={200: ScheduleDetailSerializer},
    )
    @action(detail=True, methods=["put"], filter_backends=[])
    def estimate(self, request: Request, pk: str) -> Response:
        """Bill an estimate of a usage line, and the difference with the next invoice."""
        schedule = self.get_object()
        body = self.read(UsageEstimateSerializer)
        set_estimate(schedule_id=schedule.id, now=timezone.now(), **body)
        return self._answer(schedule)

    @extend_schema(operation_id="schedules_drift", responses={200: DriftSerializer(many=True)})
    @action(detail=True, filter_backends=[])
    def drift(self, request: Request, pk: str) -> Response:
        """List what is billed otherwise than signed."""
        rows = [
            {
                "what": one.what,
                "amount": str(one.amount.amount) if one.amount else None,
                "invoice": one.invoice.id if one.invoice else None,
                "by": one.by,
            }
            for one in drift_of(self.get_object())
        ]
        return Response({"results": rows})

    @extend_schema(
        operation_id="schedules_resume", request=None, responses={200: ScheduleDetailSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on with a suspended schedule."""
        return self._change("resume")

    @extend_schema(
        operation_id="schedules_cancel", request=None, responses={200: ScheduleDetailSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def cancel(self, request: Request, pk: str) -> Response:
        """End a schedule for good."""
        return self._change("cancel")


class OrderFormScheduleView(IdempotentMixin, GenericAPIView[Any]):
    """From a signature to a schedule in one call."""

    serializer_class = ScheduleDetailSerializer
    filter_backends = []
    permission_resource = "schedules"

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return OrderForm.objects.none()
        return OrderForm.objects.all()

    @extend_schema(
        operation_id="order_forms_schedule",
        request=None,
        responses={200: ScheduleDetailSerializer, 201: ScheduleDetailSerializer},
    )
    def post(self, request: Request, pk: str) -> Response:
        """Make the draft schedule of a signed order form; a repeat returns it (200)."""
        form = self.get_object()
        known = set(form.schedules.values_list("id", flat=True))
        schedule = services.create_schedule(order_form_id=form.id, now=timezone.now())
        shown = ScheduleDetailSerializer(schedule_with_details(schedule.id))
        code = status.HTTP_200_OK if schedule.id in known else status.HTTP_201_CREATED
        return Response(shown.data, status=code)

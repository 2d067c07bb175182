"""Jobs over REST: how far long work is, what each item came to, cancel and retry."""

import django_filters
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.viewsets import ApiViewSet
from monetization.jobs import services
from monetization.jobs.api.serializers import (
    JobDetailSerializer,
    JobItemSerializer,
    JobSerializer,
)
from monetization.jobs.models import Job, JobItem

FIRST_ITEMS = 200


class JobFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=Job.Status.choices)
    kind = django_filters.CharFilter()


class JobViewSet(mixins.ListModelMixin, ApiViewSet):
    """Jobs. Bulk actions start them."""

    model = Job
    serializer_class = JobSerializer
    filterset_class = JobFilters
    permission_resource = "jobs"

    def _answer(self, job: Job) -> Response:
        items = JobItem.objects.filter(job=job).order_by("position")[:FIRST_ITEMS]
        shown = {**JobSerializer(job).data, "items": JobItemSerializer(items, many=True).data}
        return Response(shown)

    @extend_schema(responses={200: JobDetailSerializer})
    def retrieve(self, request: Request, pk: str) -> Response:
        return self._answer(self.get_object())

    @extend_schema(
        operation_id="jobs_items_list",
        parameters=[OpenApiParameter("status", str, enum=JobItem.Status.values)],
        responses={200: JobItemSerializer(many=True)},
    )
    @action(detail=True, filter_backends=[])
    def items(self, request: Request, pk: str) -> Response:
        """List a job's items, last first; e.g. only those that failed."""
        rows = JobItem.objects.filter(job=self.get_object())
        status = request.query_params.get("status")
        if status and status not in JobItem.Status.values:
            allowed = ", ".join(JobItem.Status.values)
            raise ValidationError({"status": f"must be one of {allowed}"})
        return self.pages(rows.filter(status=status) if status else rows, JobItemSerializer)

    @extend_schema(operation_id="jobs_cancel", request=None, responses={200: JobDetailSerializer})
    @action(detail=True, methods=["post"], filter_backends=[])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop after the batch under way; what is done stays done."""
        return self._answer(services.cancel_job(job_id=self.get_object().id, now=timezone.now()))

    @extend_schema(operation_id="jobs_retry", request=None, responses={200: JobDetailSerializer})
    @action(detail=True, methods=["post"], filter_backends=[])
    def retry(self, request: Request, pk: str) -> Response:
        """Try the failed items again."""
        return self._answer(services.retry_failed(job_id=self.get_object().id))

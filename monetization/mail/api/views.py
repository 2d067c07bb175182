"""The outbox over REST: what was mailed to whom, and what failed."""

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.viewsets import ApiViewSet
from monetization.mail import services
from monetization.mail.models import OutgoingMail


class OutgoingMailSerializer(serializers.Serializer[Any]):
    """A mail of the outbox. Its text is not shown: it may carry a signing link."""

    id = serializers.UUIDField()
    to = serializers.CharField()
    cc = serializers.ListField(child=serializers.CharField())
    subject = serializers.CharField()
    about = serializers.CharField(source="subject_ref", help_text="E.g. invoice/<id>.")
    has_attachment = serializers.SerializerMethodField()
    status = serializers.ChoiceField(choices=OutgoingMail.Status.choices)
    attempts = serializers.IntegerField()
    last_error = serializers.CharField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)

    def get_has_attachment(self, mail: OutgoingMail) -> bool:
        return mail.attachment_id is not None


class MailFilters(django_filters.FilterSet):
    status = django_filters.MultipleChoiceFilter(choices=OutgoingMail.Status.choices)
    about = django_filters.CharFilter(field_name="subject_ref")
    to = django_filters.CharFilter()


class MailViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Outgoing mail."""

    model = OutgoingMail
    serializer_class = OutgoingMailSerializer
    filterset_class = MailFilters
    permission_resource = "mail"

    @extend_schema(operation_id="mail_retry", request=None, responses={200: OutgoingMailSerializer})
    @action(detail=True, methods=["post"], filter_backends=[])
    def retry(self, request: Request, pk: str) -> Response:
        """Make a mail that failed due again; one that was sent stays as it is."""
        mail = self.get_object()
        services.retry_mail(mail_id=mail.id, now=timezone.now())
        mail.refresh_from_db()
        return self.show(mail, OutgoingMailSerializer)

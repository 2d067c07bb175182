"""Agreeing on a quote over REST: approvals, signers, comments."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import InputSerializer
from monetization.interface.viewsets import ApiViewSet
from quotes import services
from quotes.api import details
from quotes.api.approvals import ApprovalSerializer
from quotes.models import ApprovalStep, QuoteComment, SignatureEvidence, Signer
from quotes.services import approvals
from quotes.services.comments import add_comment

_SIGNER = OpenApiParameter("signer", OpenApiTypes.UUID, OpenApiParameter.PATH)
_SIGNERS = r"signers/(?P<signer>[0-9a-f-]{36})"


class ApprovalRequestSerializer(InputSerializer):
    comment = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class SignerSerializer(serializers.Serializer[Any]):
    """One who signs, in their turn."""

    id = serializers.UUIDField()
    position = serializers.IntegerField()
    side = serializers.ChoiceField(choices=Signer.Side.choices)
    name = serializers.CharField()
    email = serializers.CharField()
    status = serializers.ChoiceField(choices=Signer.Status.choices)
    invited_at = serializers.DateTimeField(allow_null=True)
    reminded_at = serializers.DateTimeField(allow_null=True)
    signed_at = serializers.DateTimeField(allow_null=True)


class ReassignSerializer(InputSerializer):
    name = serializers.CharField(max_length=200)
    email = serializers.EmailField(max_length=254)
    reason = serializers.CharField(max_length=1000, required=False, allow_blank=True)


class QuoteCommentSerializer(serializers.Serializer[Any]):
    """A remark on a quote."""

    id = serializers.UUIDField()
    version = serializers.IntegerField(source="version_number")
    author = serializers.CharField()
    text = serializers.CharField()
    is_shared = serializers.BooleanField(help_text="The customer reads it.")
    is_from_customer = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class QuoteCommentCreateSerializer(InputSerializer):
    text = serializers.CharField(max_length=5000)
    is_shared = serializers.BooleanField(default=False)


class EvidenceSerializer(serializers.Serializer[Any]):
    """A signature with what proves it, chained to the one before."""

    sequence = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=SignatureEvidence.Kind.choices)
    position = serializers.IntegerField()
    side = serializers.ChoiceField(choices=Signer.Side.choices)
    name = serializers.CharField()
    email = serializers.CharField()
    title = serializers.CharField()
    consent_text = serializers.CharField()
    ip_address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    has_email_code = serializers.BooleanField()
    signed_at = serializers.DateTimeField()
    document_sha256 = serializers.CharField()
    terms_sha256 = serializers.CharField()
    previous_sha256 = serializers.CharField()
    sha256 = serializers.CharField()


class AgreeingActions(ApiViewSet):
    """What is done with a quote between its draft and its last signature."""

    @extend_schema(
        operation_id="quotes_request_approval",
        request=ApprovalRequestSerializer,
        responses={200: ApprovalSerializer(many=True)},
    )
    @action(detail=True, methods=["post"], url_path="request-approval", filter_backends=[])
    def request_approval(self, request: Request, pk: str) -> Response:
        """Ask for every approval the draft lacks."""
        version = details.latest_of(self.get_object())
        body = self.read(ApprovalRequestSerializer)
        approvals.request_approval(
            version_id=version.id, comment=body.get("comment", ""), now=timezone.now()
        )
        rows = ApprovalStep.objects.filter(version=version).select_related("version__quote")
        return self.pages(rows, ApprovalSerializer)

    @extend_schema(operation_id="quotes_reopen", request=None, responses={204: None})
    @action(detail=True, methods=["post"], filter_backends=[])
    def reopen(self, request: Request, pk: str) -> Response:
        """Go back to the draft; open requests are withdrawn, agreements given stand."""
        version = details.latest_of(self.get_object())
        approvals.reopen_draft(version_id=version.id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="quotes_signers_list", responses={200: SignerSerializer(many=True)})
    @action(detail=True, filter_backends=[])
    def signers(self, request: Request, pk: str) -> Response:
        """List who signs the latest version."""
        version = details.latest_of(self.get_object())
        return self.pages(Signer.objects.filter(version=version), SignerSerializer)

    @extend_schema(
        operation_id="quotes_signers_remind",
        request=None,
        parameters=[_SIGNER],
        responses={204: None},
    )
    @action(detail=True, methods=["post"], url_path=f"{_SIGNERS}/remind", filter_backends=[])
    def remind(self, request: Request, pk: str, signer: str) -> Response:
        """Mail a signer whose turn it is once more."""
        services.remind_signer(signer_id=self._signer(signer).id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="quotes_signers_reassign",
        request=ReassignSerializer,
        parameters=[_SIGNER],
        responses={200: SignerSerializer},
    )
    @action(detail=True, methods=["post"], url_path=f"{_SIGNERS}/reassign", filter_backends=[])
    def reassign(self, request: Request, pk: str, signer: str) -> Response:
        """Let somebody else sign instead; links of the person before stop working."""
        row = self._signer(signer)
        services.reassign_signer(
            signer_id=row.id, now=timezone.now(), **self.read(ReassignSerializer)
        )
        row.refresh_from_db()
        return self.show(row, SignerSerializer)

    def _signer(self, signer_id: str) -> Signer:
        found: Signer = Signer.objects.get(
            id=signer_id, version=details.latest_of(self.get_object())
        )
        return found

    @extend_schema(
        operation_id="quotes_evidence_list", responses={200: EvidenceSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def evidence(self, request: Request, pk: str) -> Response:
        """List the signatures given so far with what proves them."""
        rows = SignatureEvidence.objects.filter(version__quote=self.get_object())
        return self.pages(rows, EvidenceSerializer)

    @extend_schema(
        methods=["get"],
        operation_id="quotes_comments_list",
        summary="Read what was said",
        responses={200: QuoteCommentSerializer(many=True)},
    )
    @extend_schema(
        methods=["post"],
        operation_id="quotes_comments_create",
        summary="Write to colleagues, or shared with the customer",
        request=QuoteCommentCreateSerializer,
        responses={201: QuoteCommentSerializer},
    )
    @action(detail=True, methods=["get", "post"], filter_backends=[])
    def comments(self, request: Request, pk: str) -> Response:
        """Read what was said; write to colleagues, or shared with the customer."""
        quote = self.get_object()
        if request.method == "GET":
            return self.pages(QuoteComment.objects.filter(quote=quote), QuoteCommentSerializer)
        comment = add_comment(
            quote_id=quote.id, now=timezone.now(), **self.read(QuoteCommentCreateSerializer)
        )
        return self.show(comment, QuoteCommentSerializer, status.HTTP_201_CREATED)

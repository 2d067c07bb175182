"""Quote templates over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from monetization.interface.fields import InputSerializer, ReferenceField
from monetization.interface.viewsets import ApiViewSet
from quotes.models import Quote, QuoteTemplate
from quotes.services import templates


class QuoteTemplateSerializer(serializers.Serializer[Any]):
    """What quotes are started from."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    currency = serializers.CharField()
    draft = serializers.DictField(
        source="payload", help_text="As `PUT /quotes/{id}/draft` takes it."
    )
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class QuoteTemplateSaveSerializer(InputSerializer):
    quote = ReferenceField(Quote, help_text="Its latest version is kept.")
    name = serializers.CharField(
        max_length=120, help_text="A name that is taken is replaced by what the quote offers."
    )


class QuoteTemplateRenameSerializer(InputSerializer):
    name = serializers.CharField(max_length=120)


class QuoteTemplateViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet):
    """Templates. `POST /quotes` with `template` starts a quote from one."""

    model = QuoteTemplate
    serializer_class = QuoteTemplateSerializer
    permission_resource = "quotes"

    @extend_schema(request=QuoteTemplateSaveSerializer, responses={201: QuoteTemplateSerializer})
    def create(self, request: Request) -> Response:
        """Keep what a quote's latest version offers."""
        body = self.read(QuoteTemplateSaveSerializer)
        kept = templates.save_template(quote_id=body["quote"], name=body["name"])
        return self.show(kept, QuoteTemplateSerializer, status.HTTP_201_CREATED)

    @extend_schema(request=QuoteTemplateRenameSerializer, responses={200: QuoteTemplateSerializer})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Call a template otherwise."""
        template = self.get_object()
        body = self.read(QuoteTemplateRenameSerializer)
        renamed = templates.rename_template(template_id=template.id, name=body["name"])
        return self.show(renamed, QuoteTemplateSerializer)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Forget a template; quotes made from it stay."""
        templates.delete_template(template_id=self.get_object().id)
        return Response(status=status.HTTP_204_NO_CONTENT)

"""The base of the API's views: validate, make one call, serialize."""

from typing import Any

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import renderers, serializers, status, viewsets
from rest_framework.response import Response

from monetization.interface.idempotency import IdempotentMixin


class PdfRenderer(renderers.JSONRenderer):
    """Lets a client ask for ``application/pdf``; a problem is JSON all the same."""

    media_type = "application/pdf"
    format = "pdf"


PDF_ACTION: dict[str, Any] = {"renderer_classes": [renderers.JSONRenderer, PdfRenderer]}
PDF_RESPONSES: dict[Any, Any] = {
    (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="The document.")
}


def file_response(
    content: bytes, filename: str, content_type: str = "application/pdf"
) -> HttpResponse:
    """Answer with a file to be saved under its name."""
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": content_disposition_header(True, filename) or ""},  # noqa: FBT003
    )


class ApiViewSet(IdempotentMixin, viewsets.GenericViewSet[Any]):
    """One resource of a tenant. Subclasses name ``model`` and ``serializer_class``.

    ``rows()`` is what may be listed and fetched; another tenant's row is not among them, so
    its id is as unknown as one that never existed.
    """

    model: Any

    def rows(self) -> Any:
        return self.model.objects.all()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return self.model.objects.none()
        return self.rows()

    def read(self, serializer_class: type[serializers.Serializer[Any]], **options: Any) -> Any:
        """Return the validated body."""
        serializer = serializer_class(
            data=self.request.data, context=self.get_serializer_context(), **options
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def pages(self, rows: Any, serializer_class: type[serializers.Serializer[Any]]) -> Response:
        """Answer with one page of rows."""
        page = self.paginate_queryset(rows)
        serializer = serializer_class(page or (), many=True, context=self.get_serializer_context())
        return self.get_paginated_response(serializer.data)

    def show(
        self,
        row: Any,
        serializer_class: type[serializers.Serializer[Any]],
        status_code: int = status.HTTP_200_OK,
    ) -> Response:
        """Answer with one row."""
        serializer = serializer_class(row, context=self.get_serializer_context())
        return Response(serializer.data, status=status_code)

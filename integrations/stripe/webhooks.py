"""Where Stripe calls us. Answered only once what it said is kept."""

import logging
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from integrations.stripe import inbound, mapping
from monetization.interface.problems import problem_response
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024


@csrf_exempt
@require_POST
def receive(request: HttpRequest, tenant_id: UUID) -> HttpResponse:
    """Keep an event; 200 once it is there, however often it comes. Anything else: 400."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        return problem_response(413, "too_large", "An event has at most 1 MB.")
    if not Tenant.objects.filter(id=tenant_id).exists():
        return problem_response(400, "signature_invalid", "The signature is not valid here.")
    try:
        with tenant_context(tenant_id, actor="Stripe"):
            inbound.note_event(
                body=request.body,
                signature=request.headers.get("Stripe-Signature", ""),
                now=timezone.now(),
            )
    except mapping.NotANotice as problem:
        return problem_response(400, "parse_error", str(problem))
    except inbound.NoticeRefused:
        logger.warning("an event for tenant %s was not signed with its secret", tenant_id)
        return problem_response(400, "signature_invalid", "The signature is not valid here.")
    return HttpResponse(status=200)

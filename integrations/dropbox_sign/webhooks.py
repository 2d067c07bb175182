"""Where Dropbox Sign calls us. Answered only once what it said is kept."""

import logging
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from integrations.dropbox_sign import inbound, mapping
from monetization.interface.problems import problem_response
from monetization.tenancy.context import tenant_context
from monetization.tenancy.models import Tenant

logger = logging.getLogger(__name__)

LARGEST_BODY = 1024 * 1024


@csrf_exempt
@require_POST
def callback(request: HttpRequest, tenant_id: UUID) -> HttpResponse:
    """Keep a callback; 200 with exactly the words Dropbox Sign waits for, else it calls again."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        return problem_response(413, "too_large", "A callback has at most 1 MB.")
    text = request.POST.get("json", "")
    if not Tenant.objects.filter(id=tenant_id).exists():
        return problem_response(404, "not_found", "No such address.")
    try:
        with tenant_context(tenant_id, actor="Dropbox Sign"):
            inbound.note_callback(text=text, now=timezone.now())
    except mapping.NotACallback as problem:
        return problem_response(400, "parse_error", str(problem))
    except inbound.CallbackRefused:
        logger.warning("a callback for tenant %s was not signed with its key", tenant_id)
        return problem_response(404, "not_found", "No such address.")
    return HttpResponse(mapping.REPLY, content_type="text/plain")

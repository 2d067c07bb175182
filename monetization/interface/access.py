"""Close a page to those who may not see it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

View = Callable[..., HttpResponseBase]


def member_required(permission: str, *, write: str | None = None) -> Callable[[View], View]:
    """Let in members whose role has the permission; others sign in, or get 403.

    :param write: the permission an unsafe method needs instead, e.g. ``"invoices:write"``.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            principal = getattr(request, "principal", None)
            if principal is None or principal.user_id is None:
                if request.user.is_authenticated:
                    raise PermissionDenied("You are not a member of any company yet.")
                return redirect_to_login(request.get_full_path())
            safe = request.method in ("GET", "HEAD", "OPTIONS")
            if not principal.may(permission if safe or write is None else write):
                raise PermissionDenied("Your role does not allow this.")
            return view(request, *args, **kwargs)

        guarded.required_permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate

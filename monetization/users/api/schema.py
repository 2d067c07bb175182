"""How the API's schema describes signing in."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """``Authorization: Bearer <key>``."""

    target_class = "monetization.users.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, limited to its scopes.",
        }


class MemberSessionScheme(OpenApiAuthenticationExtension):
    """A signed-in member's browser; unsafe calls carry the CSRF token."""

    target_class = "monetization.users.authentication.MemberSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "A signed-in member; unsafe calls need X-CSRFToken.",
        }

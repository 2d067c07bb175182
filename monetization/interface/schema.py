"""What every operation of the API schema shares: problems, and repeating a call safely."""

from typing import Any

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; docs/api.md lists the codes.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "code", "detail"],
}
_ALWAYS = {
    "400": "The body is not JSON as it should be.",
    "401": "Nobody is signed in.",
    "403": "The role or key does not allow this.",
    "404": "No such resource.",
    "406": "The answer is not available in the type asked for.",
    "422": "A field is wrong; `errors` names it.",
}
_UNSAFE = {
    "409": "The rules refuse; `code` says which.",
    "415": "The body is not JSON.",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "The same key with the same request gets the first answer again.",
}

_REPEATABLE = ("usage_events_create", "pricing_estimate")  # safe to repeat without a key


def describe_conventions(
    result: dict[str, Any], generator: Any, request: Any, public: Any
) -> dict[str, Any]:
    """Add the problem responses and the idempotency header to every operation."""
    result["components"].setdefault("schemas", {})["Problem"] = _PROBLEM
    for methods in result["paths"].values():
        for method, operation in methods.items():
            unsafe = method in ("post", "put", "patch", "delete")
            if unsafe and operation["operationId"] not in _REPEATABLE:
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
            for status, description in (_ALWAYS | (_UNSAFE if unsafe else {})).items():
                operation["responses"].setdefault(status, _answer(description))
    return result


def _answer(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": description, "content": content}

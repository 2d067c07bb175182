"""What every operation of the API schema shares: problems, and repeating a call safely."""

from typing import Any

INTRODUCTION = """
Quotes, usage, billing and revenue on one event stream and one ledger. Everything a person does on
the pages, a program does here.

**Sign in** with `Authorization: Bearer <key>`. A key is made under *Settings, API keys*; it
belongs to one company and does what its scopes allow.

**Send usage**, as often as you like: an event's `source` and `id` are its identity, and each
gets a verdict of its own.

```
curl https://…/api/v1/usage-events -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" -d '[{"id": "evt-1", "type": "api.request",
  "customer": "acme-prod", "time": "2026-01-31T09:30:00Z", "data": {"tokens": "1200"}}]'
```

**Amounts and quantities** are strings, exact: `"1250.00"`. **Days** are `2026-01-31`; the end of a
period is exclusive unless a field says otherwise. **Instants** have an offset.

**Repeat** any other unsafe call with an `Idempotency-Key`: the same key with the same request gets
the first answer again.

**Lists** are newest first; follow `next` until it is null. **Long work** answers 202 with a job.

**Problems** are `application/problem+json` (RFC 9457): `code` is stable, and `errors` names every
wrong field by its path.
"""

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
    """Introduce the API; add the problem responses and the idempotency header to operations."""
    result["info"]["description"] = INTRODUCTION
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

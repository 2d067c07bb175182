"""Small pieces of pages: badges, fields, sparklines, icons, addresses."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import template
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_TONES = {
    "good": "won updated issued paid accepted active succeeded sent done created open matched published pushed",
    "warn": "draft attention partially_paid unsent suspended quarantined overdue conflict retry",
    "bad": "lost rejected void failed declined cancelled uncollectible invalid refused",
    "info": "in_progress viewed running pending queued",
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states.split()}

_ICONS = {
    "home": "M5 12H3l9-9 9 9h-2M5 12v7a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2v-7M10 21v-6h4v6",
    "users": "M9 7a4 4 0 1 0 0 .01M3 21v-2a4 4 0 0 1 4-4h4a4 4 0 0 1 4 4v2"
    "M16 3.1a4 4 0 0 1 0 7.8M21 21v-2a4 4 0 0 0-3-3.9",
    "quote": "M14 3v4a1 1 0 0 0 1 1h4M17 21H7a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2h7l5 5v11a2 2 0 0 1-2 2z"
    "M9 13h6M9 17h3",
    "calendar": "M4 7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2zM16 3v4M8 3v4M4 11h16",
    "activity": "M3 12h4l3 8 4-16 3 8h4",
    "bell": "M10 5a2 2 0 1 1 4 0a7 7 0 0 1 4 6v3a4 4 0 0 0 2 3H4a4 4 0 0 0 2-3v-3a7 7 0 0 1 4-6"
    "M9 17v1a3 3 0 0 0 6 0v-1",
    "invoice": "M14 3v4a1 1 0 0 0 1 1h4M19 12V8l-5-5H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h4"
    "M9 9h1M9 13h4M16 15v6M19 17a2 2 0 0 0-2-1h-1.5a1.5 1.5 0 0 0 0 3h1a1.5 1.5 0 0 1 0 3H15a2 2 0 0 1-2-1",
    "payment": "M3 8a3 3 0 0 1 3-3h12a3 3 0 0 1 3 3v8a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3zM3 10h18M7 15h.01M11 15h2",
    "chart": "M4 19h16M4 15l4-6 4 2 4-5 4 4",
    "tag": "M7.5 7.5h.01M3 6v5.2a2 2 0 0 0 .6 1.4l7.7 7.7a2.4 2.4 0 0 0 3.4 0l5.6-5.6a2.4 2.4 0 0 0 0-3.4"
    "l-7.7-7.7A2 2 0 0 0 11.2 3H6a3 3 0 0 0-3 3z",
    "plug": "M9.8 6L18 14.2l-1.9 1.9a5.8 5.8 0 1 1-8.2-8.2zM4 20l3.5-3.5M15 4l-3.5 3.5M20 9l-3.5 3.5",
    "settings": "M4 6h8M16 6h4M14 4v4M4 12h2M10 12h10M8 10v4M4 18h10M18 18h2M16 16v4",
    "logo": "M4 18c6 0 4-12 10-12h6M14 18h6M4 6h4",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw one of our icons; decorative, hidden from screen readers."""
    return mark_safe(  # noqa: S308 - constants only
        '<svg viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="currentColor"'
        ' stroke-width="1.7"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
        f'<path d="{_ICONS[name]}"/></svg>'
    )


@register.simple_tag
def badge(state: Any, label: str = "") -> SafeString:
    """Show a state as a quiet badge: a shape and a word, never colour alone."""
    text = label or str(state).replace("_", " ").capitalize()
    return format_html('<span class="badge-s {}">{}</span>', _TONE_OF.get(str(state), ""), text)


@register.inclusion_tag("components/field.html")
def field(bound: Any, label: str = "") -> dict[str, Any]:
    """Render a form field with its label, help and the message at the field."""
    return {"field": bound, "label": label or bound.label}


@register.simple_tag
def sparkline(values: Sequence[Decimal | int | None]) -> SafeString:
    """Draw amounts as a small line; the table beside it has the numbers."""
    numbers = [Decimal(value or 0) for value in values]
    if len(numbers) < 2:
        return mark_safe("")
    low, high = min(numbers), max(numbers)
    span = (high - low) or Decimal(1)
    step = Decimal(80) / (len(numbers) - 1)
    points = " ".join(
        f"{(2 + step * i):.1f},{(19 - (value - low) / span * 16):.1f}"
        for i, value in enumerate(numbers)
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 84 22" role="img" aria-label="{} months">'
        '<polyline points="{}"/></svg>',
        len(numbers),
        points,
    )


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Return the page's query string with some parameters changed; empty ones drop out."""
    request: HttpRequest = context["request"]
    parameters = request.GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}" if parameters else "?"


@register.filter
def lookup(mapping: Any, key: Any) -> Any:
    """Return ``mapping[key]``, or nothing."""
    return mapping.get(key) if mapping else None


@register.filter
def words(name: Any) -> str:
    """Write a name of the stream or the core as people say it: invoice.issued, per_unit."""
    return str(name).replace(".", " ").replace("_", " ").capitalize()

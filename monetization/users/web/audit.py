"""The audit log: who changed what, and when."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.shortcuts import render
from django.views.decorators.http import require_safe

from monetization.audit.models import AuditEntry
from monetization.interface.access import member_required
from monetization.interface.exports import csv_response
from monetization.interface.forms import DayField, PageForm
from monetization.tenancy.models import Tenant
from monetization.users.permissions import TenantRequest
from monetization.users.web import words

PER_PAGE = 50
EXPORTED_AT_MOST = 20_000
ACTIONS = {"INSERT": "Created", "UPDATE": "Changed", "DELETE": "Deleted"}


class AuditFilterForm(PageForm):
    what = forms.ChoiceField(label="What", required=False)
    action = forms.ChoiceField(
        label="Done", required=False, choices=[("", "Anything"), *ACTIONS.items()]
    )
    who = forms.CharField(label="Who", required=False, max_length=200)
    row = forms.UUIDField(required=False, widget=forms.HiddenInput)
    start = DayField(label="From", required=False)
    end = DayField(label="To", required=False)

    def __init__(self, *args: Any, tables: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            ("", "Everything"),
            *((table, words.table_label(table)) for table in tables),
        ]


@require_safe
@member_required("settings:read")
def audit_log(request: TenantRequest) -> Any:
    """Show changes, newest first, of what the person may read."""
    principal = request.principal
    tables = words.audited_tables(principal.permissions)
    zone = Tenant.objects.values_list("time_zone", flat=True).get(id=principal.tenant_id)
    form = AuditFilterForm(request.GET, tables=tables)
    form.is_valid()
    rows = _filtered(form.cleaned_data, tables, zone)
    if request.GET.get("export") == "csv":
        return _csv(rows[:EXPORTED_AT_MOST], zone)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {"tab": "audit", "form": form, "page": page, "rows": _shown(list(page), zone)}
    return render(request, "settings/audit.html", context)


def _filtered(chosen: dict[str, Any], tables: list[str], zone: str) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.filter(table__in=tables).order_by("-at", "-id")
    if chosen.get("what"):
        rows = rows.filter(table=chosen["what"])
    if chosen.get("action"):
        rows = rows.filter(action=chosen["action"])
    if chosen.get("who"):
        rows = rows.filter(actor__icontains=chosen["who"])
    if chosen.get("row"):
        rows = rows.filter(row_id=chosen["row"])
    if chosen.get("start"):
        rows = rows.filter(at__gte=_midnight(chosen["start"], zone))
    if chosen.get("end"):
        rows = rows.filter(at__lt=_midnight(chosen["end"] + timedelta(days=1), zone))
    return rows


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone))


def _shown(entries: list[AuditEntry], zone: str) -> list[dict[str, Any]]:
    names = words.names_of(entries)
    return [
        {
            "entry": entry,
            "what": words.table_label(entry.table),
            "name": names.get(entry.row_id, ""),
            "action": ACTIONS.get(entry.action, entry.action),
            "changes": words.changes_of(entry, zone),
        }
        for entry in entries
    ]


def _csv(entries: QuerySet[AuditEntry], zone: str) -> Any:
    header = ["When", "Who", "Done", "What", "Name", "Field", "Before", "After"]
    rows = [
        (
            one["entry"].at.isoformat(),
            one["entry"].actor,
            one["action"],
            one["what"],
            one["name"],
            change.label,
            change.before,
            change.after,
        )
        for one in _shown(list(entries), zone)
        for change in one["changes"]
    ]
    return csv_response("audit-log.csv", header, rows)

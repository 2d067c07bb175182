"""Writing on invoices over REST, and the tests drafts must pass; mixed into the invoices."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api import desk_serializers as shapes
from billing.api.serializers import InvoiceDetailSerializer, InvoiceLineSerializer, ReasonSerializer
from billing.models import AssertionFailure, InvoiceComment, InvoiceLine
from billing.selectors.parts import changes_of
from billing.services import drafts, splitting
from billing.services.assertions import waive_assertions
from billing.services.bad_debt import reinstate_invoice, write_off_invoice
from billing.services.comments import add_comment, correct_comment
from billing.services.reissue import void_and_reissue
from billing.services.reminders import send_reminder
from billing.services.supplementary import draft_supplementary
from monetization.tenancy.models import tenant_today

LINE = "lines/(?P<line>[0-9a-fA-F-]{36})"


class DraftActions:
    """Actions on one invoice. The viewset has ``get_object``, ``read``, ``show``, ``_answer``."""

    get_object: Any
    read: Any
    show: Any
    pages: Any
    _answer: Any

    @extend_schema(
        operation_id="invoices_create",
        request=shapes.OneOffSerializer,
        responses={201: InvoiceDetailSerializer},
    )
    def create(self, request: Request) -> Response:
        """Draft an invoice without a contract, for what was delivered once."""
        body = self.read(shapes.OneOffSerializer)
        lines = [shapes.entry_from(line) for line in body.pop("lines")]
        invoice = drafts.create_one_off(
            customer_id=body.pop("customer"), entries=lines, **body, now=timezone.now()
        )
        answer: Response = self._answer(invoice)
        answer.status_code = status.HTTP_201_CREATED
        return answer

    @extend_schema(
        operation_id="invoices_update",
        request=shapes.InvoiceWordsSerializer,
        responses={200: InvoiceDetailSerializer},
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Edit memo and purchase order of an open invoice, or the note that says why it changed."""
        invoice = self.get_object()
        body = self.read(shapes.InvoiceWordsSerializer)
        answer: Response = self._answer(
            drafts.edit_invoice(invoice_id=invoice.id, **body, now=timezone.now())
        )
        return answer

    @extend_schema(operation_id="invoices_discard", request=None, responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """Discard a draft that bills no contract."""
        drafts.discard_one_off(invoice_id=self.get_object().id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="invoices_lines_add",
        request=shapes.ManualLineSerializer,
        responses={201: InvoiceLineSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def lines(self, request: Request, pk: str) -> Response:
        """Write a line on an open invoice; recalculation leaves it alone."""
        invoice = self.get_object()
        entry = shapes.entry_from(self.read(shapes.ManualLineSerializer))
        line = drafts.add_manual_line(invoice_id=invoice.id, entry=entry, now=timezone.now())
        shown: Response = self.show(line, InvoiceLineSerializer, status.HTTP_201_CREATED)
        return shown

    def _line(self, invoice: Any, line_id: str) -> InvoiceLine:
        try:
            found: InvoiceLine | None = invoice.lines.filter(id=line_id).first()
        except (ValueError, ValidationError):
            found = None
        if found is None:
            raise Http404
        return found

    @extend_schema(
        operation_id="invoices_lines_change",
        request=shapes.ManualLineSerializer,
        responses={200: InvoiceLineSerializer},
    )
    @action(detail=True, methods=["put"], url_path=LINE, filter_backends=[])
    def line(self, request: Request, pk: str, line: str) -> Response:
        """Write a manual line of an open invoice anew."""
        invoice = self.get_object()
        row = self._line(invoice, line)
        entry = shapes.entry_from(self.read(shapes.ManualLineSerializer))
        changed = drafts.change_manual_line(
            invoice_id=invoice.id, line_id=row.id, entry=entry, now=timezone.now()
        )
        shown: Response = self.show(changed, InvoiceLineSerializer)
        return shown

    @extend_schema(operation_id="invoices_lines_remove", request=None, responses={204: None})
    @line.mapping.delete
    def remove_line(self, request: Request, pk: str, line: str) -> Response:
        """Take a manual line off an open invoice."""
        invoice = self.get_object()
        drafts.remove_manual_line(
            invoice_id=invoice.id, line_id=self._line(invoice, line).id, now=timezone.now()
        )
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="invoices_comments_list", responses={200: shapes.CommentSerializer(many=True)}
    )
    @action(detail=True, filter_backends=[])
    def comments(self, request: Request, pk: str) -> Response:
        """List an invoice's comments with their corrections, the newest first."""
        rows = InvoiceComment.objects.filter(invoice=self.get_object())
        listed: Response = self.pages(rows, shapes.CommentSerializer)
        return listed

    @extend_schema(
        operation_id="invoices_comments_add",
        request=shapes.CommentInputSerializer,
        responses={201: shapes.CommentSerializer},
    )
    @comments.mapping.post
    def comment(self, request: Request, pk: str) -> Response:
        """Write a comment, or correct one's own; what it said before is kept."""
        invoice = self.get_object()
        body = self.read(shapes.CommentInputSerializer)
        corrects, now = body.get("corrects"), timezone.now()
        if corrects is None:
            row = add_comment(invoice_id=invoice.id, text=body["text"], now=now)
        elif not invoice.comments.filter(id=corrects).exists():
            raise serializers.ValidationError({"corrects": "there is no such comment"})
        else:
            row = correct_comment(
                invoice_id=invoice.id, comment_id=corrects, text=body["text"], now=now
            )
        shown: Response = self.show(row, shapes.CommentSerializer, status.HTTP_201_CREATED)
        return shown

    @extend_schema(
        operation_id="invoices_assertions_list",
        responses={200: shapes.FailureSerializer(many=True)},
    )
    @action(detail=True, filter_backends=[])
    def assertions(self, request: Request, pk: str) -> Response:
        """List the rules an invoice fails, with their waivers."""
        rows = AssertionFailure.objects.filter(invoice=self.get_object())
        listed: Response = self.pages(rows, shapes.FailureSerializer)
        return listed

    @extend_schema(
        operation_id="invoices_waive",
        request=shapes.WaiveSerializer,
        responses={200: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def waive(self, request: Request, pk: str) -> Response:
        """Let a draft go out although it fails, with a reason; it covers what was found now."""
        invoice = self.get_object()
        body = self.read(shapes.WaiveSerializer)
        waive_assertions(
            invoice_ids=[invoice.id],
            reason=body["reason"],
            kind=body.get("rule", ""),
            now=timezone.now(),
        )
        answer: Response = self._answer(invoice)
        return answer

    @extend_schema(
        operation_id="invoices_reissue",
        request=ReasonSerializer,
        responses={201: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def reissue(self, request: Request, pk: str) -> Response:
        """Void an invoice nobody has paid and draft it again, with its manual lines."""
        invoice = self.get_object()
        body = self.read(ReasonSerializer)
        draft = void_and_reissue(invoice_id=invoice.id, **body, now=timezone.now())
        answer: Response = self._answer(draft)
        answer.status_code = status.HTTP_201_CREATED
        return answer

    @extend_schema(
        operation_id="invoices_supplement",
        request=shapes.SupplementarySerializer,
        responses={201: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def supplement(self, request: Request, pk: str) -> Response:
        """Draft an invoice that charges more for an issued one and refers to it."""
        original = self.get_object()
        body = self.read(shapes.SupplementarySerializer)
        lines = [shapes.entry_from(line) for line in body.pop("lines")]
        invoice = draft_supplementary(
            invoice_id=original.id, entries=lines, **body, now=timezone.now()
        )
        answer: Response = self._answer(invoice)
        answer.status_code = status.HTTP_201_CREATED
        return answer

    @extend_schema(
        operation_id="invoices_split",
        request=shapes.SplitSerializer,
        responses={201: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def split(self, request: Request, pk: str) -> Response:
        """Put some lines of a draft on a draft of their own, with another order or entity."""
        invoice = self.get_object()
        body = self.read(shapes.SplitSerializer)
        draft = splitting.split_draft(
            invoice_id=invoice.id,
            line_ids=body["lines"],
            purchase_order=body.get("purchase_order"),
            legal_entity_id=body.get("legal_entity"),
            now=timezone.now(),
        )
        answer: Response = self._answer(draft)
        answer.status_code = status.HTTP_201_CREATED
        return answer

    @extend_schema(
        operation_id="invoices_merge",
        request=shapes.MergeSerializer,
        responses={200: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def merge(self, request: Request, pk: str) -> Response:
        """Put everything on other drafts onto this one; they are gone then."""
        invoice = self.get_object()
        body = self.read(shapes.MergeSerializer)
        draft = splitting.merge_drafts(
            into_id=invoice.id, invoice_ids=body["invoices"], now=timezone.now()
        )
        answer: Response = self._answer(draft)
        return answer

    @extend_schema(
        operation_id="invoices_changes_list",
        responses={200: shapes.DraftChangeSerializer(many=True)},
    )
    @action(detail=True, filter_backends=[])
    def changes(self, request: Request, pk: str) -> Response:
        """List the splits and merges of an open draft that can be taken back."""
        rows = changes_of(self.get_object())
        return Response({"results": shapes.DraftChangeSerializer(rows, many=True).data})

    @extend_schema(
        operation_id="invoices_changes_undo",
        request=None,
        responses={200: InvoiceDetailSerializer},
    )
    @action(
        detail=True,
        methods=["post"],
        url_path="changes/(?P<change>[0-9a-fA-F-]{36})/undo",
        filter_backends=[],
    )
    def undo(self, request: Request, pk: str, change: str) -> Response:
        """Take a split or a merge back; answers with the draft that has the lines again."""
        invoice = self.get_object()
        known = {str(each.id): each.id for each in changes_of(invoice)}
        if change.lower() not in known:
            raise Http404
        draft = splitting.undo_change(change_id=known[change.lower()], now=timezone.now())
        answer: Response = self._answer(draft)
        return answer

    @extend_schema(
        operation_id="invoices_write_off",
        request=shapes.WriteOffSerializer,
        responses={200: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], url_path="write-off", filter_backends=[])
    def write_off(self, request: Request, pk: str) -> Response:
        """Give up what an issued invoice still owes: bad debt."""
        invoice = self.get_object()
        body = self.read(shapes.WriteOffSerializer)
        written = write_off_invoice(invoice_id=invoice.id, **body, now=timezone.now())
        answer: Response = self._answer(written)
        return answer

    @extend_schema(
        operation_id="invoices_reinstate",
        request=shapes.ReinstateSerializer,
        responses={200: InvoiceDetailSerializer},
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def reinstate(self, request: Request, pk: str) -> Response:
        """Claim again what was written off."""
        invoice = self.get_object()
        body = self.read(shapes.ReinstateSerializer)
        claimed = reinstate_invoice(invoice_id=invoice.id, **body, now=timezone.now())
        answer: Response = self._answer(claimed)
        return answer

    @extend_schema(
        operation_id="invoices_remind", request=None, responses={200: shapes.ReminderSerializer}
    )
    @action(detail=True, methods=["post"], filter_backends=[])
    def remind(self, request: Request, pk: str) -> Response:
        """Queue a reminder of an unpaid invoice; once a day, however often it is asked."""
        invoice, today = self.get_object(), tenant_today()
        days = (today - invoice.due_on).days if invoice.due_on else 0
        reminder = send_reminder(invoice_id=invoice.id, days=days, today=today, now=timezone.now())
        shown: Response = self.show(reminder, shapes.ReminderSerializer)
        return shown

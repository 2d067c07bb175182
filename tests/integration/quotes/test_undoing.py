"""Every step of editing can be taken back and done again, across reloads and machines."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from quotes import selectors, services
from quotes.models import Quote, QuoteVersion
from quotes.services.steps import MOST_STEPS
from quotes.services.undoing import NoFurtherStep, redo_draft, undo_draft, ways_of
from tests.integration.quotes.test_web_builder import HTMX, Builder

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def builder(revops: Client, quote: Quote) -> Builder:
    return Builder(revops, quote)


def latest(quote: Quote) -> QuoteVersion:
    found: QuoteVersion = selectors.latest_versions().get(quote=quote)
    return found


def typed(quote: Quote, minutes: float, **payload: Any) -> None:
    now = NOON + timedelta(minutes=minutes)
    services.save_draft(version_id=latest(quote).id, payload=payload, now=now)


class TestInTheBuilder:
    def test_a_line_that_was_removed_comes_back_and_goes_again(
        self, builder: Builder, quote: Quote
    ) -> None:
        builder.add("platform")
        builder.press("remove-line:0:0")
        assert "phases-0-lines-0-amount" not in builder.fields
        assert "Undo Term · platform removed" in builder.text

        builder.press("undo")
        assert builder.fields["phases-0-lines-0-amount"] == "500"
        assert "Redo Term · platform removed" in builder.text

        builder.press("redo")
        assert "phases-0-lines-0-amount" not in builder.fields

    def test_what_is_typed_and_not_saved_yet_is_what_is_undone(self, builder: Builder) -> None:
        builder.add("platform")

        builder.press("undo", phases__0__lines__0__amount="900")
        assert builder.fields["phases-0-lines-0-amount"] == "500"

        builder.press("redo")
        assert builder.fields["phases-0-lines-0-amount"] == "900"

    def test_what_cannot_be_saved_is_dropped_and_nothing_else(self, builder: Builder) -> None:
        builder.add("platform")

        builder.press("undo", phases__0__lines__0__amount="nine")

        assert builder.fields["phases-0-lines-0-amount"] == "500"

    def test_what_cannot_be_saved_is_undone_where_nothing_was_saved_before(
        self, builder: Builder
    ) -> None:
        assert 'aria-label="Nothing to undo"' in builder.text

        builder.press(phases__0__months="a year")
        assert 'aria-label="Undo what is not saved"' in builder.text
        builder.press("undo")

        assert builder.fields["phases-0-months"] != "a year"
        assert 'aria-label="Nothing to undo"' in builder.text

    def test_htmx_gets_both_sides_with_the_state_gone_back_to(
        self, builder: Builder, revops: Client, quote: Quote
    ) -> None:
        builder.add("platform")
        fields = builder.fields
        headers = {"HX-Request": "true", "HX-Target": "panes"}

        answer = revops.post(builder.url, fields | {"do": "undo"}, headers=headers)
        assert answer.status_code == 200
        assert "No products yet" in answer.content.decode()
        answer = revops.post(builder.url, fields | {"do": "undo"}, headers=headers)
        answer = revops.post(builder.url, fields | {"do": "undo"}, headers=HTMX)
        assert answer.status_code in (200, 409)

    def test_lines_move_and_are_copied(self, builder: Builder) -> None:
        builder.add("platform")
        builder.add("seats")
        builder.press("up-line:0:1")
        assert builder.fields["phases-0-lines-0-product"] == "seats"

        builder.press("copy-line:0:0")
        builder.press("copy-line:0:0")
        builder.press("undo")
        keys = [builder.fields[f"phases-0-lines-{n}-item_key"] for n in range(3)]
        assert keys == ["seats", "seats-2", "platform"]

        builder.press("down-line:0:2")
        assert builder.fields["phases-0-lines-2-product"] == "platform"


class TestSteps:
    def test_a_field_typed_in_one_go_is_one_step(
        self, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        with inside():
            typed(quote, 0, title="A")
            typed(quote, 0.02, title="AB")
            typed(quote, 0.04, title="ABC")
            typed(quote, 3, title="ABCD")

            undo_draft(version_id=latest(quote).id, now=NOON)
            assert latest(quote).quote.title == "ABC"
            undo_draft(version_id=latest(quote).id, now=NOON)
            assert latest(quote).quote.title == "Platform deal"
            with pytest.raises(NoFurtherStep, match="nothing to undo"):
                undo_draft(version_id=latest(quote).id, now=NOON)

    def test_a_change_after_undoing_ends_what_could_be_redone(
        self, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        with inside():
            typed(quote, 0, title="A")
            typed(quote, 1, purchase_order="PO")
            undo_draft(version_id=latest(quote).id, now=NOON)
            assert ways_of(latest(quote)).redo == "purchase order"

            typed(quote, 2, anchor_day=15)

            assert ways_of(latest(quote)).redo == ""
            with pytest.raises(NoFurtherStep, match="nothing to redo"):
                redo_draft(version_id=latest(quote).id, now=NOON)

    def test_saving_the_same_again_is_no_step_and_old_ones_are_let_go(
        self, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        with inside():
            typed(quote, 0, title="A")
            typed(quote, 1, title="A")
            assert latest(quote).steps.count() == 2
            for day in range(MOST_STEPS // 20 + 1):
                typed(quote, 2 + day, anchor_day=day + 2)
            assert latest(quote).steps.count() == 2 + MOST_STEPS // 20 + 1

    def test_what_changed_elsewhere_is_a_step_of_its_own(
        self, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        with inside():
            typed(quote, 0, title="A")
            version = latest(quote)
            version.special_terms = "Own words"
            version.save()
            typed(quote, 1, anchor_day=9)

            undo_draft(version_id=version.id, now=NOON)
            assert latest(quote).special_terms == "Own words"
            undo_draft(version_id=version.id, now=NOON)
            assert latest(quote).special_terms == ""

    def test_a_sent_version_is_not_gone_back_in(
        self, quote: Quote, inside: Callable[[], Any]
    ) -> None:
        with inside():
            typed(quote, 0, title="A")
            version = latest(quote)
            QuoteVersion.objects.filter(id=version.id).update(status="in_approval")

            with pytest.raises(services.VersionNotDraft):
                undo_draft(version_id=version.id, now=NOON)


class TestAcrossPhases:
    def test_a_line_that_moved_to_another_phase_goes_back(
        self, builder: Builder, quote: Quote
    ) -> None:
        builder.add("platform")
        builder.press("copy-phase:0", phases__0__name="Year 1")
        builder.press(phases__1__name="Year 2")
        builder.add("seats")
        builder.press(phases__0__lines__1__quantity="3")

        builder.press("move-line:0:1:1")
        assert builder.fields["phases-1-lines-1-product"] == "seats"
        assert builder.fields["phases-1-lines-1-quantity"] == "3"
        assert "phases-0-lines-1-product" not in builder.fields
        assert "Undo seats moved to Year 2" in builder.text

        builder.press("undo")
        assert builder.fields["phases-0-lines-1-quantity"] == "3"
        assert "phases-1-lines-1-product" not in builder.fields

        builder.press("copy-line-to:0:1:1")
        assert builder.fields["phases-0-lines-1-quantity"] == "3"
        assert builder.fields["phases-1-lines-1-quantity"] == "3"
        assert "Undo Year 2 · seats added" in builder.text

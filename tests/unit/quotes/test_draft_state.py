"""The builder's form as typed: read, changed by buttons, written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotes.web.builder_forms import RampForm
from quotes.web.draft_state import (
    ActionUnknown,
    DraftState,
    LineState,
    PhaseState,
    apply_action,
    flatten,
    read_state,
)
from quotes.web.ramp import apply_ramp


def state(*names: str) -> DraftState:
    phases = [
        PhaseState({"name": name, "months": "12"}, [LineState({"product": "platform"})])
        for name in names
    ]
    return DraftState({"title": "Deal"}, phases)


def names(draft: DraftState) -> list[str]:
    return [phase.values["name"] for phase in draft.phases]


class TestReadState:
    def test_what_was_typed_comes_back_as_typed(self) -> None:
        post = {
            "title": " Deal ",
            "phases-0-name": "Year 1",
            "phases-0-months": "twelve",
            "phases-0-lines-0-amount": "1,5",
            "phases-0-lines-0-tiers-0-up_to": "10",
        }
        assert flatten(read_state(post)) == post

    def test_gaps_close_up_and_strangers_are_left_out(self) -> None:
        post = {
            "phases-7-name": "A",
            "phases-9-name": "B",
            "phases-9-lines-3-amount": "5",
            "phases-9-secret": "x",
            "tenant_id": "x",
            "phases-９-name": "full-width nine",
            "do": "save",
        }
        assert flatten(read_state(post)) == {
            "phases-0-name": "A",
            "phases-1-name": "B",
            "phases-1-lines-0-amount": "5",
        }

    def test_a_flood_of_phases_is_cut_off(self) -> None:
        post = {f"phases-{n}-name": "x" for n in range(900)}
        assert len(read_state(post).phases) == 24

    @given(st.lists(st.text(max_size=5), max_size=4))
    def test_reading_what_was_written_changes_nothing(self, phase_names: list[str]) -> None:
        draft = state(*phase_names)
        assert read_state(flatten(draft)) == draft


class TestButtons:
    def test_a_copy_follows_its_phase_and_leaves_out_what_is_billed_once(self) -> None:
        draft = state("Year 1", "Year 2")
        draft.phases[0].lines.append(LineState({"product": "setup", "frequency": "one_time"}))

        apply_action(draft, "copy-phase:0")

        assert names(draft) == ["Year 1", "Year 1 (copy)", "Year 2"]
        assert [line.values["product"] for line in draft.phases[1].lines] == ["platform"]

    def test_changing_a_copy_leaves_the_original(self) -> None:
        draft = state("Year 1")
        apply_action(draft, "copy-phase:0")
        draft.phases[1].lines[0].values["amount"] = "7"

        assert "amount" not in draft.phases[0].lines[0].values

    def test_phases_move_and_stop_at_the_ends(self) -> None:
        draft = state("A", "B", "C")
        apply_action(draft, "down-phase:0")
        apply_action(draft, "up-phase:0")

        assert names(draft) == ["B", "A", "C"]

    def test_a_free_trial_comes_first(self) -> None:
        draft = state("Term")
        apply_action(draft, "add-trial")

        assert names(draft) == ["Trial", "Term"]
        assert draft.phases[0].values["discount_percent"] == "100"

    def test_an_open_end_is_closed_before_another_phase_follows(self) -> None:
        draft = state("Term")
        draft.phases[0].values["months"] = ""
        apply_action(draft, "add-phase")

        assert [phase.values["months"] for phase in draft.phases] == ["12", "12"]

    def test_the_same_product_twice_gets_a_key_of_its_own(self) -> None:
        draft = state("Term")
        draft.phases[0].lines[0].values["item_key"] = "platform"
        apply_action(draft, "add-line:0", LineState({"product": "platform"}))

        assert draft.phases[0].lines[1].values["item_key"] == "platform-2"

    def test_the_last_tier_stays_the_open_one(self) -> None:
        draft = state("Term")
        draft.phases[0].lines[0].tiers = [{"up_to": "10"}, {"up_to": ""}]
        apply_action(draft, "add-tier:0:0")
        apply_action(draft, "remove-tier:0:0:0")

        assert len(draft.phases[0].lines[0].tiers) == 2
        assert draft.phases[0].lines[0].tiers[-1]["up_to"] == ""

    @pytest.mark.parametrize(
        "action",
        [
            "",
            "explode",
            "remove-phase",
            "remove-phase:9",
            "remove-phase:-1",
            "remove-line:0:5",
            "remove-tier:0:0:0",
            "copy-phase:²",
            "copy-phase:0:0",
            "add-phase:1",
            "add-line:0",
        ],
    )
    def test_a_button_that_is_not_there_is_refused(self, action: str) -> None:
        with pytest.raises(ActionUnknown):
            apply_action(state("Term"), action)


class TestRamp:
    def ramped(self, draft: DraftState, **typed: str) -> RampForm:
        form = RampForm({f"ramp-{name}": value for name, value in {"phase": "1", **typed}.items()})
        apply_ramp(draft, form, "USD")
        return form

    def test_prices_and_quantities_compound_year_by_year(self) -> None:
        draft = state("Term")
        draft.phases[0].lines = [
            LineState({"product": "seats", "unit_price": "0.0125", "quantity": "45"}),
            LineState({"product": "platform", "amount": "36000"}),
            LineState({"product": "setup", "amount": "500", "frequency": "one_time"}),
        ]
        self.ramped(draft, years="3", price_percent="5", quantity_percent="10")

        assert names(draft) == ["Year 1", "Year 2", "Year 3"]
        assert [phase.lines[1].values["amount"] for phase in draft.phases] == [
            "36000",
            "37800",
            "39690",
        ]
        # 0.0125 x 1.05 = 0.013125 and x 1.1025 = 0.01378125, at the price's own four places.
        assert [phase.lines[0].values["unit_price"] for phase in draft.phases] == [
            "0.0125",
            "0.0131",
            "0.0138",
        ]
        assert [phase.lines[0].values["quantity"] for phase in draft.phases] == ["45", "50", "54"]
        assert [len(phase.lines) for phase in draft.phases] == [3, 2, 2]

    def test_what_cannot_be_read_keeps_its_text(self) -> None:
        draft = state("Term")
        draft.phases[0].lines[0].values |= {"amount": "lots", "quantity": "1e99"}
        self.ramped(draft, years="2", price_percent="5", quantity_percent="5")

        assert draft.phases[1].lines[0].values["amount"] == "lots"
        assert draft.phases[1].lines[0].values["quantity"] == "1e99"

    @pytest.mark.parametrize("typed", [{"years": "1"}, {"years": ""}, {"years": "2", "phase": "4"}])
    def test_says_what_it_cannot_do_and_changes_nothing(self, typed: dict[str, str]) -> None:
        draft = state("Term")
        form = self.ramped(draft, **typed)

        assert form.errors
        assert names(draft) == ["Term"]


def lines_of(draft: DraftState) -> list[list[tuple[str, str]]]:
    return [
        [(line.values["item_key"], line.values["quantity"]) for line in phase.lines]
        for phase in draft.phases
    ]


class TestLinesAcrossPhases:
    def two_years(self) -> DraftState:
        def line(key: str, quantity: str) -> LineState:
            values = {"product": "seats", "item_key": key, "quantity": quantity}
            return LineState(values, [{"up_to": "10"}], [{"value": "5"}])

        first = PhaseState({"name": "1"}, [line("seats", "10"), line("seats-2", "20")])
        return DraftState({}, [first, PhaseState({"name": "2"}, [line("seats", "30")])])

    def test_a_line_moves_with_its_quantities_tiers_and_discounts(self) -> None:
        draft = self.two_years()

        place = apply_action(draft, "move-line:0:1:1")

        assert lines_of(draft) == [[("seats", "10")], [("seats", "30"), ("seats-2", "20")]]
        moved = draft.phases[1].lines[1]
        assert (moved.tiers, moved.discounts) == ([{"up_to": "10"}], [{"value": "5"}])
        assert place == "phases-1-lines-1-description"

    def test_a_line_moved_to_where_its_key_is_taken_gets_one_of_its_own(self) -> None:
        draft = self.two_years()

        apply_action(draft, "move-line:1:0:0")

        keys = [key for key, _ in lines_of(draft)[0]]
        assert keys == ["seats", "seats-2", "seats-3"]
        assert lines_of(draft)[1] == []

    def test_a_line_copied_to_a_phase_without_it_stays_the_same_line_there(self) -> None:
        draft = self.two_years()

        apply_action(draft, "copy-line-to:0:1:1")
        draft.phases[1].lines[1].values["quantity"] = "25"

        assert lines_of(draft)[0] == [("seats", "10"), ("seats-2", "20")]
        assert lines_of(draft)[1] == [("seats", "30"), ("seats-2", "25")]

    def test_to_its_own_phase_it_goes_nowhere_and_to_none_there_is_no_button(self) -> None:
        draft = self.two_years()

        assert apply_action(draft, "move-line:0:0:0") == "phases-0-lines-0-description"
        assert apply_action(draft, "copy-line-to:0:0:0") == "phases-0-lines-0-description"
        assert lines_of(draft) == lines_of(self.two_years())
        for action in (
            "move-line:0:0:7",
            "move-line:0:9:1",
            "copy-line-to:0:0",
            "move-line:0:1:-1",
        ):
            with pytest.raises(ActionUnknown):
                apply_action(draft, action)

    def test_a_full_phase_takes_no_more(self) -> None:
        draft = self.two_years()
        draft.phases[1].lines = [LineState({"item_key": str(n)}) for n in range(60)]

        apply_action(draft, "move-line:0:0:1")

        assert [len(phase.lines) for phase in draft.phases] == [2, 60]

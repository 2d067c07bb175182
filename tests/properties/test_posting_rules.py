"""Whatever happens in whatever order, the books balance and tie out to what was billed."""

from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from billing.domain import posting_rules
from billing.domain.posting_rules import Document, LineAmount, Position
from monetization.kernel.money import Money, total
from monetization.ledger.accounts import Account, Leg, balanced
from revrec.domain.posting_rules import LineToRecognize, revenue_recognized

CUSTOMER, CONTRACT = UUID(int=1), UUID(int=2)
KEYS = ("platform", "usage", "minimum")
ZERO = Money.zero("USD")
RULES = {
    "issue": posting_rules.invoice_issued,
    "void": posting_rules.invoice_voided,
    "credit": posting_rules.credit_note_issued,
}


class Books:
    """A ledger in memory: the same questions the real one answers, and nothing else."""

    def __init__(self) -> None:
        self.balances: dict[tuple[Account, str], Money] = defaultdict(lambda: ZERO)
        self.billed: dict[str, Money] = defaultdict(lambda: ZERO)
        self.claimed = ZERO  # of the customer, with tax, less what was paid
        self.taxed = ZERO

    def position(self, key: str) -> Position:
        return Position(
            -self.balances[Account.DEFERRED_REVENUE, key],
            self.balances[Account.UNBILLED_RECEIVABLE, key],
        )

    def post(self, legs: tuple[Leg, ...]) -> None:
        for leg in balanced(legs):
            self.balances[leg.account, leg.item_key] += leg.amount

    def document(self, what: str, lines: list[LineAmount], tax: Money) -> None:
        known = {key: self.position(key) for key in KEYS}
        earned = self.of(Account.REVENUE)
        self.post(RULES[what](Document(CUSTOMER, UUID(int=3), CONTRACT), lines, tax, known))
        if what != "credit":  # claiming or withdrawing a claim earns nothing
            assert self.of(Account.REVENUE) == earned
        net = total((line.net for line in lines), "USD")
        sign = 1 if what == "issue" else -1
        for line in lines:
            self.billed[line.item_key] += line.net if sign == 1 else -line.net
        self.claimed += net + tax if sign == 1 else -(net + tax)
        self.taxed += tax if sign == 1 else -tax

    def recognize(self, key: str, amount: Money) -> None:
        known = self.position(key)
        self.post(
            revenue_recognized(
                LineToRecognize(CUSTOMER, CONTRACT, key, amount, known.deferred, known.unbilled)
            )
        )

    def pay(self, amount: Money, part: Money) -> None:
        self.post(posting_rules.payment_received(CUSTOMER, amount, {UUID(int=3): part}))
        self.claimed -= amount

    def of(self, account: Account) -> Money:
        return total((sum_ for (name, _), sum_ in self.balances.items() if name is account), "USD")


def cents(least: int, most: int = 5000) -> st.SearchStrategy[Money]:
    return st.integers(least, most).map(lambda units: Money(Decimal(units) / 100, "USD"))


def steps(least: int) -> st.SearchStrategy[list[tuple[object, ...]]]:
    """Draw what happens; amounts from ``least`` cents, so that corrections can be negative."""
    lines = st.lists(st.builds(LineAmount, st.sampled_from(KEYS), cents(least)), max_size=4)
    step = st.one_of(
        st.tuples(st.sampled_from(sorted(RULES)), lines, cents(least)),
        st.tuples(st.just("recognize"), st.sampled_from(KEYS), cents(-5000)),
        st.tuples(st.just("pay"), cents(1), cents(0)),
    )
    return st.lists(step, max_size=15)


def play(story: list[tuple[object, ...]]) -> Books:
    books = Books()
    for what, *facts in story:
        if what == "recognize":
            books.recognize(*facts)  # type: ignore[arg-type]
        elif what == "pay":
            books.pay(*facts)  # type: ignore[arg-type]
        else:
            books.document(str(what), *facts)  # type: ignore[arg-type]
        check(books)
    return books


def check(books: Books) -> None:
    """At every step, not only at the end."""
    assert total(books.balances.values(), "USD") == ZERO
    for key in KEYS:
        position = books.position(key)
        recognized = -books.balances[Account.REVENUE, key]
        assert recognized + position.deferred - position.unbilled == books.billed[key]
    assert books.of(Account.ACCOUNTS_RECEIVABLE) == books.claimed
    assert books.of(Account.TAX_PAYABLE) == -books.taxed


class TestPostingRules:
    @given(steps(least=-5000))
    def test_recognized_plus_deferred_less_unbilled_is_billed_whatever_happens(
        self, story: list[tuple[object, ...]]
    ) -> None:
        play(story)

    @given(steps(least=0))
    def test_a_line_is_never_billed_ahead_and_earned_ahead_at_once(
        self, story: list[tuple[object, ...]]
    ) -> None:
        books = play(story)

        for key in KEYS:
            position = books.position(key)
            assert not (position.deferred.amount > 0 and position.unbilled.amount > 0)

    @given(st.lists(st.tuples(st.sampled_from(KEYS), cents(0)), max_size=5), cents(0))
    def test_a_document_that_is_withdrawn_leaves_nothing(
        self, drawn: list[tuple[str, Money]], tax: Money
    ) -> None:
        lines = [LineAmount(key, net) for key, net in drawn]
        for withdrawal in ("void", "credit"):
            books = Books()
            books.document("issue", lines, tax)
            books.document(withdrawal, lines, tax)

            assert not any(books.balances.values())

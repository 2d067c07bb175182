"""A mail is sent at most once without a person saying so, whatever breaks in between."""

import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.mail.backends.base import BaseEmailBackend

from monetization.mail import services, tasks
from monetization.mail.models import OutgoingMail

NOON = datetime(2026, 4, 3, 12, tzinfo=UTC)
LATER = NOON + services.HANDOVER + timedelta(seconds=1)


@pytest.fixture
def mail(tenant: Any) -> OutgoingMail:
    return services.queue_mail(
        dedupe_key="invoice/1/v1", to="ann@example.com", subject="Invoice", text="Hello", now=NOON
    )


class Server(BaseEmailBackend):
    """A mail server that does as it is told, and remembers what it took."""

    taken: list[str] = []
    on_open: Exception | None = None
    on_send: Exception | None = None

    def open(self) -> bool:
        if Server.on_open:
            raise Server.on_open
        return True

    def send_messages(self, messages: Any) -> int:
        Server.taken += [message.subject for message in messages]
        if Server.on_send:
            raise Server.on_send
        return len(messages)


@pytest.fixture
def server(settings: Any) -> Any:
    settings.EMAIL_BACKEND = f"{__name__}.Server"
    Server.taken, Server.on_open, Server.on_send = [], None, None
    return Server


@pytest.fixture
def send(tenant: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, datetime], None]:
    def one(mail: Any, now: datetime) -> None:
        monkeypatch.setattr(tasks.timezone, "now", lambda: now)
        tasks.send_one(tenant.id, mail.id)
        mail.refresh_from_db()

    return one


class TestSending:
    def test_a_mail_the_server_took_is_sent_and_never_again(
        self, mail: OutgoingMail, server: Any, send: Callable[..., None]
    ) -> None:
        send(mail, NOON)
        send(mail, LATER)

        assert mail.status == "sent"
        assert server.taken == ["Invoice"]

    def test_a_server_that_is_down_is_tried_again_later(
        self, mail: OutgoingMail, server: Any, send: Callable[..., None]
    ) -> None:
        server.on_open = ConnectionRefusedError("refused")
        send(mail, NOON)

        assert (mail.status, mail.attempts, mail.last_error) == ("queued", 1, "refused")
        assert mail.next_attempt_at is not None
        assert mail.next_attempt_at > NOON

    def test_a_server_that_says_no_is_tried_again_then_waits_for_a_person(
        self, mail: OutgoingMail, server: Any, send: Callable[..., None]
    ) -> None:
        server.on_send = smtplib.SMTPDataError(554, b"no")
        now = NOON
        for _ in range(services.MAX_ATTEMPTS):
            send(mail, now)
            now = mail.next_attempt_at or now

        assert mail.status == "failed"
        assert len(server.taken) == services.MAX_ATTEMPTS

    @pytest.mark.parametrize(
        "broken", [TimeoutError("timed out"), smtplib.SMTPServerDisconnected("gone")]
    )
    def test_a_line_that_breaks_while_sending_leaves_the_outcome_unknown(
        self, mail: OutgoingMail, server: Any, send: Callable[..., None], broken: Exception
    ) -> None:
        server.on_send = broken
        send(mail, NOON)
        server.on_send = None
        send(mail, LATER)

        assert mail.status == "unknown"
        assert server.taken == ["Invoice"]


class TestDeadWorkers:
    def test_a_mail_whose_worker_died_is_not_sent_again_by_itself(
        self, tenant: Any, mail: OutgoingMail, server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)  # and the worker dies
        monkeypatch.setattr(tasks.timezone, "now", lambda: LATER)

        tasks.send_queued_mail()

        mail.refresh_from_db()
        assert mail.status == "unknown"
        assert server.taken == []

    def test_a_mail_still_with_its_worker_is_left_alone(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)

        assert services.expire_claims(now=NOON + timedelta(minutes=1)) == 0
        mail.refresh_from_db()
        assert mail.status == "sending"

    def test_a_slow_worker_that_did_send_it_still_says_so(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)
        services.expire_claims(now=LATER)

        services.record_sent(mail_id=mail.id, now=LATER)

        mail.refresh_from_db()
        assert mail.status == "sent"

    def test_a_slow_worker_s_failure_does_not_overrule_the_person_who_sent_it_again(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        first = services.claim_mail(mail_id=mail.id, now=NOON)
        assert first is not None
        services.expire_claims(now=LATER)
        services.retry_mail(mail_id=mail.id, now=LATER)
        services.claim_mail(mail_id=mail.id, now=LATER)

        services.record_failure(claim=first, error="late", now=LATER)

        mail.refresh_from_db()
        assert (mail.status, mail.last_error) == (
            "sending",
            "The worker stopped while handing it over.",
        )


class TestPeople:
    def test_unknown_becomes_due_when_a_person_says_send_again(
        self, tenant: Any, mail: OutgoingMail, server: Any, send: Callable[..., None]
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)
        services.expire_claims(now=LATER)

        assert services.retry_mail(mail_id=mail.id, now=LATER)
        send(mail, LATER)

        assert mail.status == "sent"

    def test_unknown_is_settled_when_the_recipient_has_it(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)
        services.expire_claims(now=LATER)

        assert services.confirm_arrival(mail_id=mail.id, now=LATER)
        assert not services.confirm_arrival(mail_id=mail.id, now=LATER)
        mail.refresh_from_db()
        assert mail.status == "sent"

    def test_what_is_being_sent_or_was_sent_cannot_be_sent_again(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)
        assert not services.retry_mail(mail_id=mail.id, now=NOON)
        services.record_sent(mail_id=mail.id, now=NOON)
        assert not services.retry_mail(mail_id=mail.id, now=NOON)

    def test_retrying_all_failed_leaves_unknown_ones_to_be_decided_one_by_one(
        self, tenant: Any, mail: OutgoingMail
    ) -> None:
        services.claim_mail(mail_id=mail.id, now=NOON)
        services.expire_claims(now=LATER)

        assert services.retry_failed_mail(now=LATER) == 0

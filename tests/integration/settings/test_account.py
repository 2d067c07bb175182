"""Everybody reaches their own password and second factor, and can set one up."""

import re

import pytest
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from tests.factories import make_member, make_tenant

pytestmark = pytest.mark.django_db


def test_a_member_sets_up_a_second_factor_and_is_asked_for_it() -> None:
    member = make_member(make_tenant("Northwind"), "finance")
    signing_in = {"login": member.email, "password": "correct horse"}
    client = Client()
    client.post("/accounts/login/", signing_in)

    assert 'href="/accounts/password/change/"' in client.get("/").content.decode()
    client.post("/accounts/reauthenticate/", {"password": "correct horse"})
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert "data:image/svg+xml" in page  # to be read by the telephone
    secret = client.session["mfa.totp.secret"]
    code = totp.format_hotp_value(
        totp.hotp_value(secret, next(totp.yield_hotp_counters_from_time()))
    )
    client.post("/accounts/2fa/totp/activate/", {"code": code})

    other = Client()
    answer = other.post("/accounts/login/", signing_in)
    assert re.search("/accounts/2fa/authenticate/", answer["Location"])
    assert other.get("/").status_code == 302

"""What Dropbox Sign says in our words: states, callbacks, and who may call."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from integrations.dropbox_sign import mapping
from integrations.dropbox_sign.simulated_desk import callback

SPECS = Path(os.environ.get("VENDOR_SPECS", "") or "/nowhere")
FIXTURES = SPECS / "dropbox_sign_fixtures"
API_KEY = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782"

needs_specs = pytest.mark.skipif(
    not FIXTURES.is_dir(), reason="VENDOR_SPECS names no folder with dropbox_sign_fixtures"
)


def answer(**signer: Any) -> dict[str, Any]:
    first = {"signature_id": "s1", "signer_name": "Ann", "status_code": "awaiting_signature"}
    return {"signature_request_id": "r1", "signatures": [{**first, **signer}]}


@pytest.mark.parametrize(
    ("facts", "signer", "state"),
    [
        ({}, {}, "sent"),
        ({}, {"last_viewed_at": 1_790_000_000}, "viewed"),
        ({}, {"status_code": "signed", "signed_at": 1_790_000_000}, "partly_signed"),
        ({"is_complete": True}, {"status_code": "signed"}, "signed"),
        ({"is_declined": True}, {"status_code": "declined"}, "declined"),
        ({}, {"status_code": "expired"}, "expired"),
        ({"has_error": True}, {}, "failed"),
        ({}, {"status_code": "error_file"}, "failed"),
        ({"is_complete": "true"}, {}, "sent"),  # a word is not the answer true
    ],
)
def test_every_answer_has_a_state(
    facts: dict[str, Any], signer: dict[str, Any], state: str
) -> None:
    assert mapping.standing({**answer(**signer), **facts}).state == state


@needs_specs
def test_dropbox_signs_own_callbacks_are_authentic_and_a_changed_byte_is_not() -> None:
    from dropbox_sign import EventCallbackHelper
    from dropbox_sign.models import EventCallbackRequest

    count = 0
    for kind in ("Account", "App"):
        file = FIXTURES / f"EventCallbackHelper_{kind}Callbacks.json"
        for event in json.loads(file.read_text()).values():
            found = mapping.read_callback(json.dumps(event))
            theirs = EventCallbackHelper.is_valid(API_KEY, EventCallbackRequest.init(event))
            assert mapping.is_authentic(found, API_KEY) is theirs is True
            event["event"]["event_time"] = "1348177753"
            assert not mapping.is_authentic(mapping.read_callback(json.dumps(event)), API_KEY)
            count += 1
    assert count == 12


def test_nobody_without_the_key_can_call() -> None:
    found = mapping.read_callback(json.dumps(callback("simulator-a", "signature_request_signed")))

    assert mapping.is_authentic(found, "simulator-a")
    assert not mapping.is_authentic(found, "simulator-b")
    assert not mapping.is_authentic(found, "")


@pytest.mark.parametrize("time", ["soon", "9" * 19, "", "-9999999999999"])
def test_an_impossible_time_is_not_a_callback(time: str) -> None:
    event = callback("simulator-a", "signature_request_signed")
    event["event"]["event_time"] = time

    with pytest.raises(mapping.NotACallback):
        mapping.read_callback(json.dumps(event))


@needs_specs
def test_every_event_of_the_specification_has_words() -> None:
    spec = json.loads((SPECS / "dropbox_sign_openapi.json").read_text())
    event = spec["components"]["schemas"]["EventCallbackRequestEvent"]
    types = set(event["properties"]["event_type"]["enum"])

    about_accounts_and_templates = {"account_confirmed", "template_created", "template_error"}
    assert types - about_accounts_and_templates == set(mapping.EVENTS)

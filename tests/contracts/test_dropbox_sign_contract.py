"""What the SDK sends on our behalf, and what the simulator answers, fit their specification.

The specification is Dropbox Sign's and not part of this repository: ``VENDOR_SPECS`` names a
folder with ``dropbox_sign_openapi.json``.
"""

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from integrations.dropbox_sign.gateway import Credentials, Gateway, Gone
from integrations.dropbox_sign.mapping import Envelope, Signer
from integrations.dropbox_sign.simulated_desk import client_id_of
from integrations.dropbox_sign.simulator import Call, Simulator, read_parts, serve

SPECS = os.environ.get("VENDOR_SPECS", "")
SPEC = Path(SPECS or "/nowhere") / "dropbox_sign_openapi.json"
KEY = "simulator-contract"
PDF = b"%PDF-1.7\n%%EOF\n"

pytestmark = pytest.mark.skipif(
    not SPEC.is_file(), reason="VENDOR_SPECS names no folder with dropbox_sign_openapi.json"
)


def envelope(number: str = "Q-00001-v1", *, is_embedded: bool = False) -> Envelope:
    return Envelope(
        reference=f"row of {number}",
        number=number,
        title="Platform",
        seller="Northwind",
        signers=(Signer("Ann Lee", "ann@acme.example"), Signer("Bo Chen", "bo@northwind.example")),
        expires_at=datetime.now(UTC) + timedelta(days=30),
        is_embedded=is_embedded,
        is_test=True,
        filename=f"{number}.pdf",
        pdf=PDF,
    )


@pytest.fixture(scope="module")
def dropbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Gateway]]:
    """A simulator on which everything was done once that the gateway can do."""
    simulator = Simulator(tmp_path_factory.mktemp("dropbox"))
    server = serve(simulator, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    gateway = Gateway(
        base_url=f"http://127.0.0.1:{server.server_port}",
        credentials=Credentials(KEY, client_id_of(KEY)),
    )
    gateway.account()
    gateway.set_callback_url("https://throughline.example/callbacks/dropbox-sign/1")
    mailed = gateway.send(envelope())
    gateway.find(envelope())
    gateway.remind(mailed.id, "ann@acme.example")
    gateway.get(mailed.id)
    gateway.signed_file(mailed.id)
    embedded = gateway.send(envelope("Q-00002-v1", is_embedded=True))
    gateway.signing_address(embedded.signatures[0].id)
    gateway.cancel(embedded.id)
    yield simulator, gateway
    server.shutdown()
    thread.join()
    server.server_close()
    simulator.close()


@lru_cache(maxsize=1)
def specification() -> Any:
    from openapi_core import Config, OpenAPI

    return OpenAPI.from_file_path(str(SPEC), config=Config(spec_validator_cls=None))


def as_request(call: Call, **changes: Any) -> Any:
    """Return a recorded call as if it had gone to Dropbox Sign; its parts as one JSON body."""
    from openapi_core.testing import MockRequest

    body, kind = call.body, call.headers["content-type"] or "application/json"
    if kind.startswith("multipart/"):
        parts = read_parts(call)
        parts["files"] = ["(a file)" for _ in parts["files"]]
        body, kind = json.dumps({**parts, **changes}).encode(), "application/json"
    return MockRequest(
        "https://api.hellosign.com",
        call.method.lower(),
        call.path,
        args=call.query,
        headers={name: text for name, text in call.headers.items() if name != "content-type"},
        data=body or None,
        content_type=kind,
    )


def test_every_request_fits_the_specification(dropbox: Any) -> None:
    simulator, _ = dropbox
    for call in simulator.calls:
        specification().validate_request(as_request(call))

    names = [f"{call.method} {call.path.removeprefix('/v3/')}" for call in simulator.calls]
    assert [name.rpartition("/")[0] if len(name) > 60 else name for name in names][:4] == [
        "GET account",
        f"GET api_app/{client_id_of(KEY)}",
        f"PUT api_app/{client_id_of(KEY)}",
        "POST signature_request/send",
    ]
    assert len(names) == 11


def test_the_check_notices_a_wrong_request(dropbox: Any) -> None:
    from openapi_core.exceptions import OpenAPIError

    simulator, _ = dropbox
    (call,) = [one for one in simulator.calls if one.path.endswith("/send")]

    with pytest.raises(OpenAPIError):
        specification().validate_request(as_request(call, signers=[{"name": "Ann"}]))


def test_the_file_goes_as_it_is_with_its_name_and_type(dropbox: Any) -> None:
    simulator, _ = dropbox
    (call,) = [one for one in simulator.calls if one.path.endswith("/send")]

    assert read_parts(call)["files"] == [PDF]
    assert b'filename="Q-00001-v1.pdf"' in call.body
    assert b"Content-Type: application/pdf" in call.body


def test_the_request_says_what_ours_says(dropbox: Any) -> None:
    simulator, _ = dropbox
    (call,) = [one for one in simulator.calls if one.path.endswith("/send")]
    parts = read_parts(call)

    assert [one["order"] for one in parts["signers"]] == [0, 1]
    assert parts["metadata"]["throughline_request"] == "row of Q-00001-v1"
    assert parts["client_id"] == client_id_of(KEY)
    assert parts["title"] == "Q-00001-v1: Platform"


def test_every_answer_fits_the_specification(dropbox: Any) -> None:
    """Asked without the SDK, which forgives much."""
    import urllib3
    from openapi_core.testing import MockResponse

    simulator, gateway = dropbox
    simulator.desk.sign(simulator.desk.all()[-1][0]["signatures"][0]["signature_id"])
    checked = 0
    for call in list(simulator.calls):
        if call.method != "GET" or "/files/" in call.path:
            continue
        query = "?" + "&".join(f"{name}={text}" for name, text in call.query.items())
        answer = urllib3.request(
            "GET",
            gateway.base_url + call.path + query,
            headers={"authorization": call.headers["authorization"]},
        )
        specification().validate_response(
            as_request(call),
            MockResponse(answer.data, status_code=answer.status, content_type="application/json"),
        )
        checked += 1
    assert checked == 5


def test_its_callbacks_fit_the_specification_and_the_sdk(dropbox: Any) -> None:
    from dropbox_sign import EventCallbackHelper
    from dropbox_sign.models import EventCallbackRequest

    simulator, _ = dropbox
    assert simulator.callbacks
    for event in simulator.callbacks:
        read = EventCallbackRequest.init(event)
        assert EventCallbackHelper.is_valid(KEY, read)
        assert read.signature_request is not None
        assert read.signature_request.signatures


def test_dropbox_signs_own_example_is_understood(dropbox: Any) -> None:
    from dropbox_sign.models import SignatureRequestGetResponse

    from integrations.dropbox_sign.gateway import _standing

    file = Path(SPECS) / "dropbox_sign_fixtures" / "SignatureRequestGetResponse.json"
    example = SignatureRequestGetResponse.init(json.loads(file.read_text())["default"])
    found = _standing(example.signature_request)

    assert (found.id, found.state) == ("a9f4825edef25f47e7b4c14ce8100d81d1693160", "sent")
    assert [one.email for one in found.signatures] == ["jack@example.com", "jill@example.com"]


def test_what_was_canceled_is_gone(dropbox: Any) -> None:
    simulator, gateway = dropbox
    (canceled,) = [one for one, gone in simulator.desk.all() if gone]

    with pytest.raises(Gone):
        gateway.get(canceled["signature_request_id"])

"""The simulated Dropbox Sign as people see it: what it holds, and where a signer signs."""

from html import escape
from typing import Any

_STYLE = """<!doctype html><html lang=en><meta charset=utf-8>
<meta name=viewport content="width=device-width"><title>Simulated Dropbox Sign</title>
<style>body{font:15px/1.5 system-ui;margin:2rem auto;max-width:52rem;padding:0 1rem;color:#1b2433}
td,th{padding:.35rem .8rem;text-align:left;border-bottom:1px solid #e3e7ee}
button{font:inherit;padding:.5rem 1rem;border:1px solid #0061fe;border-radius:6px;color:#fff;
background:#0061fe}button.quiet{background:#fff;color:#1b2433;border-color:#8b95a7}
input{font:inherit;padding:.45rem;border:1px solid #8b95a7;border-radius:6px}
.note{color:#5d6b82}</style>"""


def listing(requests: list[tuple[dict[str, Any], bool]]) -> bytes:
    """Return every request with a link for each signer whose turn it is."""
    rows = "".join(
        f"<tr><td>{escape(document['title'])}<td>{_state(document, canceled)}"
        f"<td>{_signers(document, canceled)}"
        for document, canceled in requests
    )
    nothing = "" if requests else "<p>Nothing was sent yet."
    return (
        f"{_STYLE}<h1>Simulated Dropbox Sign</h1><p class=note>Nobody gets mail from here: sign or "
        f"decline by following a signer's name.</p>{nothing}<table><tr><th>Title<th>State"
        f"<th>Signers{rows}</table>"
    ).encode()


def _state(document: dict[str, Any], canceled: bool) -> str:  # noqa: FBT001
    if canceled:
        return "Canceled"
    if document["is_complete"]:
        return "Complete"
    return "Declined" if document["is_declined"] else "Waiting"


def _signers(document: dict[str, Any], canceled: bool) -> str:  # noqa: FBT001
    parts = []
    for one in document["signatures"]:
        name = escape(f"{one['signer_name']} ({one['status_code'].replace('_', ' ')})")
        waits = one["status_code"] == "awaiting_signature" and not canceled
        mailed = document["signing_url"] is not None
        link = f"<a href='/sign/{one['signature_id']}'>{name}</a>"
        parts.append(link if waits and mailed else name)
    return "<br>".join(parts)


def signing(document: dict[str, Any], signature_id: str) -> bytes:
    """Return the page on which one signer signs or declines."""
    (name,) = [
        escape(one["signer_name"])
        for one in document["signatures"]
        if one["signature_id"] == signature_id
    ]
    test = "<p class=note>Test mode: not legally binding.</p>" if document["test_mode"] else ""
    return (
        f"{_STYLE}<h1>{escape(document['title'])}</h1>{test}"
        f"<p>{escape(document['message'] or '')}</p>"
        f"<form method=post action='/sign/{signature_id}'><p>Signing as <b>{name}</b>.</p>"
        "<p><button name=action value=sign>I agree and sign</button></p></form>"
        f"<form method=post action='/sign/{signature_id}'><p><label>Why not? "
        "<input name=reason required></label> "
        "<button class=quiet name=action value=decline>Decline</button></p></form>"
    ).encode()


def done(signed: bool) -> bytes:  # noqa: FBT001
    words = "Signed. Thank you." if signed else "You declined to sign."
    return f"{_STYLE}<h1>{words}</h1><p class=note>You can close this page.</p>".encode()


def problem(words: str) -> bytes:
    return f"{_STYLE}<h1>This does not work</h1><p>{escape(words)}</p>".encode()

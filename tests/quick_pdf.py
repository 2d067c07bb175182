"""PDFs that take no time, where a test does not look at its pages.

Most tests that issue or send only pass a document on. What would be laid out is rendered as always,
so a template that fails, fails. The page has its digest on it: another document is another file.
Tests marked ``pdf``, ``browser`` and ``slow`` have real ones.
"""

import hashlib

import pytest

REAL = ("pdf", "browser", "slow")
_is_real = False


def choose(item: pytest.Item) -> None:
    """Lay out for real during this test, or not."""
    global _is_real
    _is_real = any(item.get_closest_marker(name) for name in REAL)


def install() -> None:
    """Stand between the processes that lay out and who asks them."""
    from monetization.documents.renderer import _Worker

    really = _Worker.ask

    def ask(self: _Worker, body: bytes, limit: float) -> tuple[bytes, bytes]:
        return really(self, body, limit) if _is_real else (b"K", quick_pdf(body))

    _Worker.ask = ask  # type: ignore[method-assign]


def quick_pdf(body: bytes) -> bytes:
    """Return a PDF of one page that says which document it stands for, built as WeasyPrint does."""
    text = f"BT /F 9 Tf 20 20 Td ({hashlib.sha256(body).hexdigest()}) Tj ET".encode()
    objects = (
        b"<</Type /Catalog /Pages 2 0 R>>",
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources <</Font <</F <</Type /Font /Subtype /Type1 /BaseFont /Courier>>>>>>>>",
        b"<</Length %d>>\nstream\n%b\nendstream" % (len(text), text),
    )
    made, places = b"%PDF-1.7", [b"\0\0\0\0\0\0"]
    for number, content in enumerate(objects, 1):
        places.append(b"\x01" + (len(made) + 1).to_bytes(4, "big") + b"\0")
        made += b"\n%d 0 obj\n%b\nendobj" % (number, content)
    start = len(made) + 1
    places.append(b"\x01" + start.to_bytes(4, "big") + b"\0")
    table = b"".join(places)
    return made + (
        b"\n5 0 obj\n<</Type /XRef /Size 6 /Root 1 0 R /W [1 4 1] /Length %d>>\nstream\n%b"
        b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (len(table), table, start)
    )

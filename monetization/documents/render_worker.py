"""The process that lays out PDFs: no database, no secrets, no network, bounded in memory.

It reads requests from its input and writes answers to its output until the input ends. A
request is eight bytes of length and JSON; an answer is one byte (``K`` made, ``U`` no Pango,
``E`` failed), eight bytes of length, and the PDF or the error's words.
"""

import base64
import json
import os
import struct
import sys
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

MEMORY_LIMIT = 512 * 1024 * 1024  # bytes of data


def lay_out(request: dict[str, Any]) -> bytes:
    """Return the PDF of a request. Its document loads only ``data:`` addresses."""
    from weasyprint import HTML, Attachment
    from weasyprint.urls import URLFetcher

    attachments = [
        Attachment(
            string=base64.b64decode(file["content"]),
            name=file["name"],
            description=file["description"],
            relationship=file["relationship"],
            created=datetime.fromisoformat(file["at"]),
            modified=datetime.fromisoformat(file["at"]),
        )
        for file in request["attachments"]
    ]
    fetcher = URLFetcher(allowed_protocols={"data"})
    fonts, styles = _loaded(tuple(map(tuple, request["faces"])))
    pdf: bytes = HTML(string=request["html"], url_fetcher=fetcher).write_pdf(
        pdf_identifier=bytes.fromhex(request["identifier"]),
        pdf_variant=request["variant"],
        pdf_tags=True,
        font_config=fonts,
        stylesheets=styles,
        attachments=attachments,
        xmp_metadata=_xmp(request["xmp"]),
    )
    return pdf


@lru_cache(maxsize=1)
def _loaded(faces: tuple[tuple[str, int, str], ...]) -> tuple[Any, list[Any]]:
    """Load the font once for all documents of this process.

    :param faces: family, weight and file of each; the files are our own, no document names them.
    """
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    fonts = FontConfiguration()
    text = "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight};'
        f' src: url("{Path(path).as_uri()}") }}'
        for family, weight, path in faces
    )
    own = URLFetcher(allowed_protocols={"file"})
    return fonts, [CSS(string=text, font_config=fonts, url_fetcher=own)] if faces else []


def _xmp(text: str) -> list[str] | None:
    encoded = base64.b64encode(text.encode()).decode()
    return [f"data:application/xml;base64,{encoded}"] if text else None


def _can_lay_out() -> str:
    """Return why this machine makes no PDFs; empty where it does."""
    try:
        import weasyprint  # noqa: F401
    except OSError as error:
        return str(error)
    return ""


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the input ends."""
    missing = _can_lay_out()
    while len(head := source.read(8)) == 8:
        body = source.read(struct.unpack(">Q", head)[0])
        try:
            state, answer = (
                (b"U", missing.encode()) if missing else (b"K", lay_out(json.loads(body)))
            )
        except BaseException as error:  # a FatalURLFetchingError is no Exception
            state, answer = b"E", f"{type(error).__name__}: {error}".encode()
        sink.write(state + struct.pack(">Q", len(answer)) + answer)
        sink.flush()


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    except (ImportError, ValueError, OSError):
        return  # no such limit here; the time limit remains


def main() -> None:
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not break the protocol
    _limit_memory()
    serve(sys.stdin.buffer, sink)


if __name__ == "__main__":
    main()

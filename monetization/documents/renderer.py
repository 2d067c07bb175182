"""Have a separate process lay out PDFs, within a time and a memory limit."""

import base64
import hashlib
import json
import os
import queue
import selectors
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from monetization.documents.fonts import faces
from monetization.kernel.errors import Refusal

TIME_LIMIT = 20.0  # seconds a document
RECYCLE_AFTER = 300  # documents; what a layout engine leaks goes with its process
_ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
_KEPT_PREFIXES = ("LC_", "LD_LIBRARY", "DYLD_", "FONTCONFIG_", "XDG_")

PDF_UA = "pdf/ua-1"  # tagged, for people who do not see it
PDF_A3 = "pdf/a-3a"  # tagged and archivable, with files inside


class PdfUnavailable(Refusal):
    """Pango, which lays out the PDF, is not installed on this machine."""


class PdfTooLarge(Refusal):
    """A document took more time or memory than one may."""


@dataclass(frozen=True, slots=True)
class EmbeddedFile:
    """A file inside a PDF."""

    name: str
    content: bytes
    description: str
    relationship: str  # ISO 32000-2: Alternative, Data, Supplement
    at: datetime  # written into the PDF, so never the present moment


def lay_out(
    html: str, *, variant: str = PDF_UA, files: tuple[EmbeddedFile, ...] = (), xmp: str = ""
) -> bytes:
    """Return a PDF of HTML; the same input gives the same bytes.

    :param xmp: an ``rdf:RDF`` element to add to the metadata.
    :raises PdfUnavailable: if the machine has no Pango.
    :raises PdfTooLarge: past 20 seconds or 512 MB.
    """
    digest = hashlib.sha256(html.encode() + xmp.encode())
    for file in files:
        digest.update(file.content)
    request = {
        "html": html,
        "variant": variant,
        "identifier": digest.hexdigest()[:32],
        "xmp": xmp,
        "faces": [[face.family, face.weight, face.path] for face in faces()],
        "attachments": [
            {
                "name": file.name,
                "content": base64.b64encode(file.content).decode(),
                "description": file.description,
                "relationship": file.relationship,
                "at": file.at.isoformat(),
            }
            for file in files
        ],
    }
    with _worker() as worker:
        state, answer = worker.ask(json.dumps(request).encode(), TIME_LIMIT)
    if state == b"K":
        return answer
    words = answer.decode(errors="replace")
    if state == b"U":
        raise PdfUnavailable(
            "PDFs need the Pango library, which this machine lacks; "
            "docs/operations.md says how to install it"
        )
    if words.startswith("MemoryError"):
        raise _too_large()
    raise RuntimeError(f"the document could not be laid out: {words}")


def _too_large() -> PdfTooLarge:
    return PdfTooLarge(
        "the document takes more than 20 seconds or 512 MB to lay out; "
        "put long usage detail into a file instead of onto its pages"
    )


class _Worker:
    """One process that lays out documents, one at a time; started when it is needed."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.made = 0

    def ask(self, body: bytes, limit: float) -> tuple[bytes, bytes]:
        with self.lock:
            try:
                return self._exchange(body, time.monotonic() + limit)
            except (OSError, EOFError):
                self.stop()
                raise _too_large() from None
            finally:
                if self.made >= RECYCLE_AFTER:
                    self.stop()

    def _exchange(self, body: bytes, deadline: float) -> tuple[bytes, bytes]:
        process = self._started()
        if process.stdin is None or process.stdout is None:
            raise EOFError
        process.stdin.write(struct.pack(">Q", len(body)) + body)
        process.stdin.flush()
        head = self._read(process.stdout, 9, deadline)
        (length,) = struct.unpack(">Q", head[1:])
        answer = self._read(process.stdout, length, deadline)
        self.made += 1
        return head[:1], answer

    @staticmethod
    def _read(source: IO[bytes], count: int, deadline: float) -> bytes:
        found = bytearray()
        with selectors.DefaultSelector() as waiting:
            waiting.register(source, selectors.EVENT_READ)
            while len(found) < count:
                if not waiting.select(max(0.0, deadline - time.monotonic())):
                    raise EOFError  # too slow
                part = os.read(source.fileno(), min(count - len(found), 1 << 20))
                if not part:
                    raise EOFError  # it died
                found += part
        return bytes(found)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self.process is not None and self.process.poll() is None:
            return self.process
        self.made = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "monetization.documents.render_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env=_environment(),
            bufsize=0,
        )
        return self.process

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


PROCESSES = os.cpu_count() or 1
_idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
_owner = 0
_starting = threading.Lock()


@contextmanager
def _worker() -> Iterator[_Worker]:
    """Lend one of this process's workers; those inherited by a fork belong to the parent.

    The one used last comes first, so that documents made one by one need one process.
    """
    global _idle, _owner
    with _starting:
        if _owner != os.getpid():
            _idle, _owner = queue.LifoQueue(), os.getpid()
            for _ in range(PROCESSES):
                _idle.put(_Worker())
        idle = _idle
    worker = idle.get()
    try:
        yield worker
    finally:
        idle.put(worker)


def _environment() -> dict[str, str]:
    """Return what a layout needs to know: no secret, no address."""
    kept: dict[str, Any] = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    # The font tools write the time into subsets of web fonts unless they are told one.
    return {**kept, "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "1577836800"}

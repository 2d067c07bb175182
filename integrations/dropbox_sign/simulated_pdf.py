"""Put an audit trail behind a PDF, as an incremental update: the first bytes stay as they are.

Understands what WeasyPrint writes: one cross-reference stream, objects packed in object streams.
"""

import re
import zlib


def with_audit_trail(pdf: bytes, lines: list[str]) -> bytes:
    """Return the PDF with one page of text appended.

    :raises ValueError: if the PDF is built in another way.
    """
    start = int(re.findall(rb"startxref\s+(\d+)", pdf)[-1])
    head = pdf[start : start + 1000]
    root, size = int(_one(rb"/Root (\d+) 0 R", head)), int(_one(rb"/Size (\d+)", head))
    packed = _packed_objects(pdf)
    pages = int(_one(rb"/Pages (\d+) 0 R", _object(pdf, packed, root)))
    tree = _object(pdf, packed, pages)
    kids, count = _one(rb"/Kids \[([^\]]*)\]", tree), int(_one(rb"/Count (\d+)", tree))
    page, stream, font, table = size, size + 1, size + 2, size + 3
    text = [b"BT /F1 9 Tf 14 TL 60 770 Td"]
    text += [b"(" + _escaped(line) + b") Tj T*" for line in lines]
    content = b"\n".join([*text, b"ET"])
    changed = {
        pages: b"<</Type /Pages /Kids [%b %d 0 R] /Count %d>>" % (kids.strip(), page, count + 1),
        page: b"<</Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
        b" /Resources <</Font <</F1 %d 0 R>>>>>>" % (pages, stream, font),
        stream: b"<</Length %d>>\nstream\n%b\nendstream" % (len(content), content),
        font: b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding>>",
    }
    out, places = bytearray(pdf + b"\n"), {}
    for number, body in changed.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    places[table] = len(out)
    rows = sorted(places.items())
    entries = b"".join(b"\x01" + place.to_bytes(4, "big") + b"\x00" for _, place in rows)
    index = b" ".join(b"%d 1" % number for number, _ in rows)
    out += (
        b"%d 0 obj\n<</Type /XRef /Size %d /Root %d 0 R /Prev %d /W [1 4 1] /Index [%b]"
        b" /Length %d>>\nstream\n%b\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n"
        % (table, table + 1, root, start, index, len(entries), entries, places[table])
    )
    return bytes(out)


def _packed_objects(pdf: bytes) -> dict[int, bytes]:
    """Return the objects inside object streams, by number."""
    found: dict[int, bytes] = {}
    for match in re.finditer(rb"<<([^>]*/Type /ObjStm[^>]*)>>\s*stream\r?\n", pdf):
        length, first = (int(_one(rb"/%b (\d+)" % key, match[1])) for key in (b"Length", b"First"))
        data = pdf[match.end() : match.end() + length]
        data = zlib.decompress(data) if b"/FlateDecode" in match[1] else data
        numbers = [int(word) for word in data[:first].split()]
        starts = [*numbers[1::2], len(data) - first]
        for place, number in enumerate(numbers[::2]):
            found[number] = data[first + starts[place] : first + starts[place + 1]]
    return found


def _object(pdf: bytes, packed: dict[int, bytes], number: int) -> bytes:
    if number in packed:
        return packed[number]
    plain = re.findall(rb"(?:^|\n)%d 0 obj(.*?)endobj" % number, pdf, re.DOTALL)
    if not plain:
        raise ValueError(f"object {number} is not in the PDF")
    return bytes(plain[-1])


def _one(pattern: bytes, text: bytes) -> bytes:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"no {pattern!r} in the PDF")
    return found.group(1)


def _escaped(line: str) -> bytes:
    text = line.encode("cp1252", "replace")
    return text.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")

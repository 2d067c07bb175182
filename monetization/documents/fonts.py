"""The documents' own font, ready to be laid out: faces of one weight, made once per build.

The build has Inter as variable, compressed files. To unpack them and to cut the weights out takes
two thirds of the time of a page, so both are done once and kept. The letters beyond Western
Europe's are a family of their own: of two files under one name WeasyPrint takes the glyphs of
one for those of the other.
"""

import base64
import hashlib
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from django.conf import settings

WEIGHTS = (400, 600, 700)  # all that the print templates use
_LATIN, _EXTENDED = "print-inter", "print-inter-ext"
_FAMILIES = {_LATIN: "Inter", _EXTENDED: "Inter Extended"}
# Of the thousand letters of the second file those of living European languages, and currencies.
_EXTENDED_LETTERS = (
    *(0x20, 0xA0, 0x1E9E),
    *range(0x100, 0x180),
    *range(0x218, 0x21C),
    *range(0x20A0, 0x20C1),
)


@dataclass(frozen=True, slots=True)
class Face:
    """One weight of the font in a file of its own."""

    family: str
    weight: int
    path: str


def variable_font() -> str:
    """Return the Latin letters as a ``data:`` address for browsers; empty without a build."""
    source = _source(_LATIN)
    if source is None:
        return ""
    return "data:font/woff2;base64," + base64.b64encode(source.read_bytes()).decode()


@lru_cache(maxsize=1)
def faces() -> tuple[Face, ...]:
    """Return every face as a file; none without a build, where the system's fonts do."""
    found = []
    for name, family in _FAMILIES.items():
        source = _source(name)
        if source is None:
            continue
        content = source.read_bytes()
        folder = Path(settings.VAR_DIR) / "fonts" / hashlib.sha256(content).hexdigest()[:16]
        letters = _EXTENDED_LETTERS if name == _EXTENDED else ()
        try:
            paths = _kept(folder, name, content, letters)
        except OSError:  # nothing can be kept there: for this process alone
            paths = _kept(Path(tempfile.mkdtemp(prefix="fonts-")), name, content, letters)
        found += [Face(family, weight, str(path)) for weight, path in paths.items()]
    return tuple(found)


def _source(name: str) -> Path | None:
    return next(iter(sorted(Path(settings.STATIC_DIST).glob(f"**/{name}.woff2"))), None)


def _kept(folder: Path, name: str, content: bytes, letters: tuple[int, ...]) -> dict[int, Path]:
    """Return the weights' files, cut if they are not there."""
    paths = {weight: folder / f"{name}-{weight}.ttf" for weight in WEIGHTS}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        _cut(content, paths, letters)
    return paths


def _cut(content: bytes, paths: dict[int, Path], letters: tuple[int, ...]) -> None:
    """Write the weights of a variable font; who else does so at this moment writes the same.

    :param letters: all that is kept of it, unless there are none.
    """
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont
    from fontTools.varLib.instancer import instantiateVariableFont

    whole = TTFont(BytesIO(content), recalcTimestamp=False)
    whole.flavor = None  # unpacked
    if letters:
        subsetter = Subsetter(Options(layout_features=["*"]))
        subsetter.populate(unicodes=letters)
        subsetter.subset(whole)
    unpacked = BytesIO()
    whole.save(unpacked)
    for weight, path in paths.items():
        unpacked.seek(0)
        font = instantiateVariableFont(TTFont(unpacked, recalcTimestamp=False), {"wght": weight})
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            font.save(part)
        Path(part.name).chmod(0o644)  # for whoever else lays out here
        Path(part.name).replace(path)

"""Logos are pictures and nothing else: PNG or JPEG, of a sane size, without what came along."""

from dataclasses import dataclass
from io import BytesIO

from monetization.kernel.errors import Refusal

LARGEST_FILE = 500_000  # bytes
LARGEST_SIDE = 4_000  # pixels; a small file can unpack to gigabytes
_KINDS = {"PNG": ("png", "image/png"), "JPEG": ("jpg", "image/jpeg")}


class LogoNotUsable(Refusal):
    """The file is no picture a document can carry."""


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that was decoded and written anew."""

    content: bytes
    extension: str
    content_type: str


def checked_logo(content: bytes) -> Logo:
    """Decode a picture and write it anew, so that only its pixels are kept.

    :raises LogoNotUsable: naming what is wrong with it.
    """
    from PIL import Image, UnidentifiedImageError

    if len(content) > LARGEST_FILE:
        raise LogoNotUsable(f"logo: must be at most {LARGEST_FILE // 1000} kB")
    try:
        picture = Image.open(BytesIO(content), formats=tuple(_KINDS))
        if max(picture.size) > LARGEST_SIDE:
            raise LogoNotUsable(f"logo: must be at most {LARGEST_SIDE} pixels wide and high")
        kind = picture.format or ""
        mode = "RGBA" if kind == "PNG" else "RGB"
        pixels = picture.convert(mode)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        raise LogoNotUsable("logo: must be a PNG or JPEG picture") from None
    written = BytesIO()
    pixels.save(written, format=kind, **({"quality": 90} if kind == "JPEG" else {}))
    extension, content_type = _KINDS[kind]
    return Logo(written.getvalue(), extension, content_type)

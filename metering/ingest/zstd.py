"""Zstandard by the system's library, with bounded memory: windows of at most 8 MB."""

import ctypes
import ctypes.util
from collections.abc import Iterator
from functools import cache
from typing import Any

PIECE = 128 * 1024
_WINDOW_LOG_MAX, _EIGHT_MB = 100, 23


class ZstdMissing(Exception):
    """The machine has no libzstd."""


class ZstdError(ValueError):
    """The bytes are not Zstandard."""


class _Buffer(ctypes.Structure):
    _fields_ = (("place", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t))


@cache
def _library() -> Any:
    name = ctypes.util.find_library("zstd")
    if name is None:
        raise ZstdMissing
    library = ctypes.CDLL(name)
    pointer, size, buffer = ctypes.c_void_p, ctypes.c_size_t, ctypes.POINTER(_Buffer)
    for function, result, arguments in (
        ("ZSTD_createDCtx", pointer, []),
        ("ZSTD_freeDCtx", size, [pointer]),
        ("ZSTD_DCtx_setParameter", size, [pointer, ctypes.c_int, ctypes.c_int]),
        ("ZSTD_decompressStream", size, [pointer, buffer, buffer]),
        ("ZSTD_isError", ctypes.c_uint, [size]),
    ):
        found = getattr(library, function)
        found.restype, found.argtypes = result, arguments
    return library


class ZstdDecoder:
    """Decompresses one frame. Close it.

    :raises ZstdMissing: where there is no libzstd.
    """

    def __init__(self) -> None:
        self._zstd = _library()
        self._context = self._zstd.ZSTD_createDCtx()
        self._zstd.ZSTD_DCtx_setParameter(self._context, _WINDOW_LOG_MAX, _EIGHT_MB)
        self._room = ctypes.create_string_buffer(PIECE)
        self.eof = False

    def close(self) -> None:
        context, self._context = self._context, None
        self._zstd.ZSTD_freeDCtx(context)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what more data says, in pieces of at most 128 kB.

        :raises ZstdError: if it is no Zstandard, or goes on after its end.
        """
        given = _Buffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
        is_full = True
        while given.at < given.size or is_full:
            if self.eof:
                if given.at < given.size:
                    raise ZstdError("goes on after its end")
                return
            room = _Buffer(ctypes.addressof(self._room), PIECE, 0)
            left = self._zstd.ZSTD_decompressStream(
                self._context, ctypes.byref(room), ctypes.byref(given)
            )
            if self._zstd.ZSTD_isError(left):
                raise ZstdError("is not Zstandard")
            self.eof = left == 0
            is_full = room.at == PIECE
            if room.at:
                yield self._room.raw[: room.at]

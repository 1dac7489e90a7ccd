"""Names and values as a terminal can show them: without control characters, secrets, and letters it does not know."""

from __future__ import annotations

import codecs
import io
import sys
import unicodedata

from maou.domain.data.paths import is_url

_ENCODING_ERRORS = "maou.cli"


def shown(path: str) -> str:
    """A path as it is; a URL without what signs it."""
    if not is_url(path):
        return path
    from maou.infra.cloud.location import parse

    try:
        return str(parse(path))
    except ValueError:
        # Whoever opens it says what is wrong with it.
        return path.partition("?")[0]


def printable(text: str) -> str:
    """Text on one line; of what would break it, or do something to the terminal, the code is shown."""
    if text.isprintable():
        return text
    return "".join(letter if _is_harmless(letter) else ascii(letter)[1:-1] for letter in text)


def survive_any_encoding() -> None:
    """Have stdout and stderr write any text.

    A Japanese name on a terminal that knows ASCII only is written by its codes, and the bytes of a name that is not
    UTF-8 as they are: it is the only name that opens the file.
    """
    codecs.register_error(_ENCODING_ERRORS, _encode_anyway)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ENCODING_ERRORS)


def _is_harmless(letter: str) -> bool:
    # Blanks of other widths, as the Japanese one; and what stands for a byte of a name.
    return letter.isprintable() or unicodedata.category(letter) == "Zs" or _is_byte(letter)


def _is_byte(letter: str) -> bool:
    return "\udc80" <= letter <= "\udcff"


def _encode_anyway(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError) or error.encoding.startswith(("utf-16", "utf-32")):
        # There a byte alone is no letter.
        return codecs.backslashreplace_errors(error)
    letters = error.object[error.start : error.end]
    return b"".join(map(_encoded, letters)), error.end


def _encoded(letter: str) -> bytes:
    return bytes([ord(letter) - 0xDC00]) if _is_byte(letter) else letter.encode("ascii", "backslashreplace")

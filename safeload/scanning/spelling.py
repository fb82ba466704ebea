"""Arguments in text, as protocols 0 and 1 have them: each in the one spelling that picklers write.

The C and the Python unpickler read others too, and not always as the same: ``I010`` is eight to one of them
and an error to the other. What is not spelled as a pickler spells it is malformed here.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from safeload.scanning.ledger import ScanStopped
from safeload.scanning.values import Opaque, Text

_NUMBER = re.compile(rb"0|-?[1-9][0-9]{0,4299}")
_INDEX = re.compile(rb"0|[1-9][0-9]{0,18}")
# Longer text is no name and no key of a state.
SHORT = 1024


def integer(line: bytes) -> Any:
    """Read the argument of INT."""
    if line in (b"00", b"01"):
        return line == b"01"
    if _NUMBER.fullmatch(line) is None or len(line) > 20 or not -(1 << 63) <= int(line) < 1 << 63:
        raise ScanStopped("a number is not spelled as a pickler spells it")
    return int(line)


def long(line: bytes) -> Any:
    """Read the argument of LONG."""
    if line[-1:] != b"L" or _NUMBER.fullmatch(line, 0, len(line) - 1) is None:
        raise ScanStopped("a number is not spelled as a pickler spells it")
    return int(line[:-1]) if len(line) < 20 else Opaque("int")


def index(line: bytes) -> int:
    """Read the argument of PUT and GET."""
    if _INDEX.fullmatch(line) is None:
        raise ScanStopped("a number of the memo is not spelled as a pickler spells it")
    return int(line)


def number(line: bytes) -> Opaque:
    """Read the argument of FLOAT."""
    try:
        if len(line) > 32 or repr(float(line)).encode() != line:
            raise ValueError
    except ValueError:
        raise ScanStopped("a number is not spelled as a pickler spells it") from None
    return Opaque("float")


def old_text(line: bytes) -> Any:
    """Read the argument of STRING: what ``repr`` of Python 2 wrote, in ASCII."""
    try:
        meant, _ = codecs.escape_decode(line[1:-1])
    except ValueError:
        raise ScanStopped("a text is not spelled as a pickler spells it") from None
    if len(line) < 2 or repr(meant)[1:].encode() != line or not meant.isascii():
        raise ScanStopped("a text is not spelled as a pickler spells it")
    return meant.decode("ascii") if len(meant) <= SHORT else Text(-1, len(meant))


def text(line: bytes) -> Any:
    """Read the argument of UNICODE: raw-unicode-escape, and of the characters that break it the escapes."""
    try:
        meant = line.decode("raw-unicode-escape")
    except UnicodeDecodeError:
        raise ScanStopped("a text is not spelled as a pickler spells it") from None
    again = meant.replace("\\", "\\u005c").replace("\0", "\\u0000").replace("\n", "\\u000a")
    again = again.replace("\r", "\\u000d").replace("\x1a", "\\u001a")
    # Python 2 left three of them as they are.
    former = meant.replace("\\", "\\u005c").replace("\n", "\\u000a")
    try:
        spellings = {candidate.encode("raw-unicode-escape") for candidate in (again, former)}
    except UnicodeEncodeError:
        spellings = set()
    if line not in spellings:
        raise ScanStopped("a text is not spelled as a pickler spells it")
    return meant if len(meant) <= SHORT else Text(-1, len(meant))


def name(line: bytes, encoding: str) -> str:
    """Read a module's or a class's name."""
    if len(line) > SHORT:
        raise ScanStopped("a name is longer than any name is", "unknown types", limit=True)
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        raise ScanStopped("a name is no text") from None

"""Names and tags, and the one path segment that each has on every file system.

A name or tag is any Unicode text of 1 to 200 bytes in NFC without control characters. On disk and in a
bucket all but ``a-z 0-9 _ - .`` are percent-encoded (upper-case letters too, so that no two names meet on a
file system that ignores case), and so are a dot at the end, a dot at the beginning of a segment, and the
first letter of a segment that Windows reserves (``con``, ``lpt1``…). Percent-encoding has upper-case digits.
A text has one encoding, and a path that is not the encoding of a text belongs to no name.

File systems allow 255 bytes in a segment. A longer encoding goes on in a folder below: a segment that ends
with ``%`` is continued.

``/`` has no meaning on disk: ``plant-a/pump`` is one folder, ``plant-a%2Fpump``. It makes a namespace for
those who list.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass, field

from safeload.errors import InvalidName, MalformedError

LATEST = "latest"
POINTER = "latest.sig"

_MAX_BYTES = 200
# Leaves room for a suffix, and for what temporary files add, within 255 bytes.
_SEGMENT = 150
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-.")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
_UNIQUE = re.compile(r"[0-9a-f]{16}\.[a-z0-9]{1,20}")
_ENCODED = re.compile(r"(?:[a-z0-9_.-]|%[0-9A-F]{2})+")


def check(text: str, *, what: str) -> str:
    """Return `text` if it can be a name or tag; TypeError if it is not text.

    InvalidName if it is empty, longer than 200 bytes in UTF-8, not NFC, or has control characters.
    """
    if not isinstance(text, str):
        raise TypeError(f"a {what} is text, not a {type(text).__name__}")
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidName(f"the {what} is not valid Unicode", where=ascii(text)) from None
    if not 1 <= size <= _MAX_BYTES:
        raise InvalidName(f"a {what} has 1 to {_MAX_BYTES} bytes, this one {size}", where=ascii(text))
    if any(unicodedata.category(char).startswith("C") for char in text):
        raise InvalidName(f"the {what} has control or unassigned characters", where=ascii(text))
    if not unicodedata.is_normalized("NFC", text):
        raise InvalidName(
            f"the {what} is not in Unicode normal form C", where=ascii(text), hint="Normalize it to NFC."
        )
    return text


def encode(text: str) -> str:
    """Return the path of a checked name or tag: one segment, or several where one would be too long."""
    encoded = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode("utf-8"))
    if encoded.endswith("."):
        encoded = encoded[:-1] + "%2E"
    return "%/".join(
        _escaped(encoded[start : start + _SEGMENT]) for start in range(0, len(encoded), _SEGMENT)
    )


def _escaped(segment: str) -> str:
    """Return a segment with its first character encoded, if it begins with a dot or is a reserved name."""
    if segment.startswith(".") or _RESERVED.match(segment):
        return f"%{ord(segment[0]):02X}{segment[1:]}"
    return segment


def decode(path: str) -> str | None:
    """Return the text whose path this is, or None if no text has this path."""
    encoded = path.replace("%/", "")
    if not _ENCODED.fullmatch(encoded):
        return None
    raw = re.sub("%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), encoded).encode("latin-1")
    try:
        text = check(raw.decode("utf-8"), what="name")
    except (UnicodeDecodeError, InvalidName):
        return None
    return text if encode(text) == path else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where the objects of one name lie; the constructor checks the name.

    `folder` is the name's folder, with a slash at its end; `pointer` the path of the signed pointer to the
    latest tag.
    """

    name: str
    folder: str = field(init=False, compare=False, repr=False)
    pointer: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        check(self.name, what="name")
        object.__setattr__(self, "folder", encode(self.name) + "/")
        object.__setattr__(self, "pointer", self.folder + POINTER)

    def sidecar(self, tag: str) -> str:
        """Path of a tag's sidecar. Tags are checked by :func:`check_tag`."""
        return f"{self.folder}{encode(tag)}.sig"

    def new_artifact(self, tag: str, format_name: str) -> str:
        """Return a path for a tag's artifact that no other dump uses.

        So no writer ever overwrites or removes what another one's sidecar names.
        """
        return f"{self.folder}{encode(tag)}.{secrets.token_hex(8)}.{format_name}"

    def file_of(self, path: str) -> str:
        """Return what a statement calls the artifact at `path`."""
        return path[len(self.folder) :]

    def artifact(self, tag: str, file: str | None) -> str:
        """Return the path of the artifact that a tag's statement names.

        MalformedError if it is not one that :meth:`new_artifact` makes for this tag.
        """
        stem = encode(tag) + "."
        if file is None or not file.startswith(stem) or not _UNIQUE.fullmatch(file[len(stem) :]):
            raise MalformedError("the statement names no artifact of this tag", where=self.name)
        return self.folder + file

    def tag_of_artifact(self, path: str) -> str | None:
        """Return the tag for which :meth:`new_artifact` made this path, or None for every other file."""
        stem, _, unique = path[len(self.folder) :].rpartition("/")
        parts = unique.rsplit(".", 2)
        if not path.startswith(self.folder) or len(parts) != 3 or not _UNIQUE.fullmatch(".".join(parts[1:])):
            return None
        return decode(f"{stem}/{parts[0]}" if stem else parts[0])

    def tag_of(self, path: str) -> str | None:
        """Return the tag whose sidecar has this path, or None for every other file."""
        if not path.startswith(self.folder) or not path.endswith(".sig") or path == self.pointer:
            return None
        return decode(path[len(self.folder) : -len(".sig")])


def place_of(path: str) -> Place | None:
    """Return the place in which a file lies, or None if it lies in the folder of no name."""
    segments = path.split("/")[:-1]
    for count, segment in enumerate(segments, 1):
        if not segment.endswith("%"):
            name = decode("/".join(segments[:count]))
            return Place(name) if name is not None else None
    return None


def check_tag(tag: str) -> str:
    """Return `tag` if an object may be stored under it.

    InvalidName as for :func:`check`, and for ``latest`` in any case, which is what was stored last.
    """
    check(tag, what="tag")
    if tag.casefold() == LATEST:
        raise InvalidName(
            "latest is not a tag to store under; it always is what was stored last",
            where=tag,
            hint="Choose another tag.",
        )
    return tag

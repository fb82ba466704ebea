"""Ids of the adapter's entries: reversible, canonical, and made of characters that URLs need not escape.

::

    the store itself             ~r
    a namespace  plant-a         ~nplant-a
    a name       plant-a/pump    plant-a~2Fpump
    a source     … and its tag   plant-a~2Fpump~t2026-11-23      or …~tlatest
    a sink       of a node       plant-a~2Fpump~s                ~nplant-a~s

In a name or tag, letters, digits, ``_``, ``-`` and ``.`` stand for themselves. Any other byte of its UTF-8
encoding is ``~`` and two upper-case hexadecimal digits, and so is a leading dot, because clients rewrite
paths with ``.`` and ``..``. After ``~``, digits and capitals belong to a byte, while ``r n t s`` are
structure. Only the canonical id of an entry is accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from safeload.errors import InvalidName
from safeload.store import names
from safeload.store.names import LATEST

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.")
_CHAR = "(?:[A-Za-z0-9_.-]|~[0-9A-F]{2})"
_ID = re.compile(f"(?:(~r)|~n({_CHAR}*)|({_CHAR}+))(?:(~s)|~t({_CHAR}+))?")
# Name and tag of 200 bytes with three characters for each byte, and the structure around them.
_MAX_LENGTH = 1210


@dataclass(frozen=True, slots=True)
class Root:
    """The store itself, which contains the outermost namespaces and names."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """All names that begin with `text` and ``/``."""

    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name, which has tags."""

    text: str


Node = Root | Namespace | Name


@dataclass(frozen=True, slots=True)
class Source:
    """A tag of a name, or its ``latest``."""

    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class Sink:
    """A place for new objects: a new version of a name, or a new name in a namespace or at the root."""

    node: Node


Entry = Node | Source | Sink

ROOT = Root()


def parent(node: Namespace | Name) -> Root | Namespace:
    """Return the node that contains another one."""
    outer, slash, _ = node.text.rpartition("/")
    return Namespace(outer) if slash else ROOT


def encode(entry: Entry) -> str:
    """Return the id of an entry."""
    match entry:
        case Root():
            return "~r"
        case Namespace(text):
            return f"~n{_encoded(text)}"
        case Name(text):
            return _encoded(text)
        case Source(name, tag):
            return f"{_encoded(name)}~t{_encoded(tag)}"
        case Sink(node):
            return f"{encode(node)}~s"


def decode(text: object) -> Entry | None:
    """Return the entry with this id, or None for an invalid id. The entry need not exist in the store."""
    if not isinstance(text, str) or len(text) > _MAX_LENGTH:
        return None
    found = _ID.fullmatch(text)
    if found is None:
        return None
    root, namespace, name, sink, tag = found.groups()
    try:
        entry = _entry(root, namespace, name, sink, tag)
    except (InvalidName, UnicodeDecodeError):
        return None
    return entry if entry is not None and encode(entry) == text else None


def check_tag(tag: str) -> str:
    """Return `tag` if it is a valid tag, or exactly ``latest``; InvalidName otherwise."""
    return tag if tag == LATEST else names.check_tag(tag)


def _entry(
    root: str | None, namespace: str | None, name: str | None, sink: str | None, tag: str | None
) -> Entry | None:
    node: Node
    if root is not None:
        node = ROOT
    elif namespace is not None:
        text = _decoded(namespace)
        # A name that begins with a slash is in the namespace with the empty name.
        node = Namespace(names.check(text, what="namespace") if text else "")
    else:
        node = Name(names.check(_decoded(name or ""), what="name"))
    if sink is not None:
        return Sink(node)
    if tag is None:
        return node
    return Source(node.text, check_tag(_decoded(tag))) if isinstance(node, Name) else None


def _encoded(text: str) -> str:
    encoded = "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in text.encode("utf-8"))
    return f"~2E{encoded[1:]}" if encoded.startswith(".") else encoded


def _decoded(encoded: str) -> str:
    raw = re.sub("~([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), encoded)
    return raw.encode("latin-1").decode("utf-8")

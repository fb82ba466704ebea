"""Files written, or a folder made, by functions that look like reading or logging."""

from __future__ import annotations

import os
from collections.abc import Callable

from corpus.assembler import Op, call, call_with, method, name, pickled
from corpus.entry import Place, Technique

_SOME_FILE = os.__file__


def _simple(module: str, qualname: str, *after: object) -> Callable[[Place], Op]:
    return lambda place: call(name(module, qualname), place.marker, *after)


_WAYS: dict[str, tuple[str, Callable[[Place], Op]]] = {
    "open": ("the builtin", _simple("builtins", "open", "w")),
    "io.open": ("the same by another name", _simple("io", "open", "w")),
    "_io.FileIO": ("a class in C", _simple("_io", "FileIO", "w")),
    "_pyio.open": ("the one in Python", _simple("_pyio", "open", "w")),
    "codecs.open": ("with an encoding", _simple("codecs", "open", "w")),
    "os.open": ("a descriptor", _simple("os", "open", os.O_CREAT | os.O_WRONLY)),
    "os.mknod": ("a node", _simple("os", "mknod")),
    "os.mkdir": ("a folder", _simple("os", "mkdir")),
    "os.makedirs": ("folders", _simple("os", "makedirs")),
    "os.symlink": ("a link", lambda p: call(name("os", "symlink"), _SOME_FILE, p.marker)),
    "Path.touch": ("by a dotted name", lambda p: call(name("pathlib", "Path.touch"), _path(p))),
    "Path.write_text": ("by methodcaller", lambda p: method(_path(p), "write_text", "")),
    "shutil.copyfile": ("a copy", lambda p: call(name("shutil", "copyfile"), _SOME_FILE, p.marker)),
    "shutil.copy": ("a copy", lambda p: call(name("shutil", "copy"), _SOME_FILE, p.marker)),
    "logging.FileHandler": ("a log", _simple("logging", "FileHandler")),
    "logging.basicConfig": (
        "a log, by keyword",
        lambda p: call_with(name("logging", "basicConfig"), filename=p.marker),
    ),
    "gzip.open": ("a compressed file", _simple("gzip", "open", "wb")),
    "bz2.BZ2File": ("a compressed file", _simple("bz2", "BZ2File", "wb")),
    "lzma.LZMAFile": ("a compressed file", _simple("lzma", "LZMAFile", "wb")),
    "zipfile.ZipFile": ("an archive", _simple("zipfile", "ZipFile", "w")),
    "zipfile.main": (
        "an archive, by the command line",
        lambda p: call(name("zipfile", "main"), ["-c", p.marker, _SOME_FILE]),
    ),
    "tarfile.open": ("an archive", _simple("tarfile", "open", "w")),
    "sqlite3.connect": ("a database", _simple("sqlite3", "connect")),
    "urlretrieve": (
        "a file by its address",
        lambda p: call(name("urllib.request", "urlretrieve"), f"file://{_SOME_FILE}", p.marker),
    ),
    "py_compile": ("byte code", lambda p: call(name("py_compile", "compile"), _SOME_FILE, p.marker)),
    "venv.create": ("an environment", _simple("venv", "create")),
    "wave.open": ("sound", _simple("wave", "open", "wb")),
    "faulthandler": (
        "a report",
        lambda p: call(name("faulthandler", "dump_traceback"), call(name("io", "open"), p.marker, "w")),
    ),
    "pip --log": (
        "the installer's log",
        lambda p: call(name("pip._internal.cli.main", "main"), ["freeze", "--log", p.marker]),
    ),
    "pip.main": (
        "the installer, by the name that an advisory is about (CVE-2025-1716)",
        lambda p: call(name("pip", "main"), ["freeze", "--log", p.marker]),
    ),
    "ensurepip": (
        "the installer of the installer, in a process of its own",
        lambda p: call(name("ensurepip", "_run_pip"), ["freeze", "--log", p.marker]),
    ),
}


def _path(place: Place) -> Op:
    return call(name("pathlib", "Path"), place.marker)


_NEEDS = {"pip --log": ("pip",), "pip.main": ("pip",), "ensurepip": ("pip",)}

TECHNIQUES = [
    Technique(
        f"writes by {way}",
        "installers" if "pip" in way else "files",
        about,
        lambda place, made=made: pickled(made(place)),
        needs=_NEEDS.get(way, ()),
    )
    for way, (about, made) in _WAYS.items()
]

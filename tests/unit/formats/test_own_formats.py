"""Formats of a program's own and of packages: none takes another's name, and a bad one is a typed error."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from support.auditing import watching
from support.forgery import payload_of, sidecar_of

import safeload
from safeload import (
    FormatNotAllowed,
    HmacKey,
    Keyring,
    Limits,
    MalformedError,
    Policy,
    SafeloadError,
    formats,
)
from safeload.formats import registry
from safeload.storage.blob import Blob
from safeload.trust import gate
from safeload.trust.rules import LoadRequest

OWN = ("safetensors", "numpy", "arrow", "parquet", "skops", "onnx", "torch", "keras", "joblib", "pickle")


class Text:
    """A format for text."""

    requires: tuple[str, ...] | None = None

    def __init__(self, name: Any = "text", said: str = "") -> None:
        self.name = name
        self.said = said

    def dump(self, obj: Any, file: IO[bytes], *, end: str = "") -> formats.Written:
        """Write it."""
        if not isinstance(end, str):
            raise formats.OptionError(f"the format {self.name} takes text as end")
        file.write((obj + end).encode())
        return formats.Written(remarks=("It is text.",))

    def load(self, verified: Any, limits: Limits) -> str:
        """Read it."""
        return self.said + verified.blob.data.decode()

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing."""
        data.decode()
        return ()


BROUGHT = Text("brought", "brought: ")
MISNAMED = Text("another")
NO_FORMAT = object()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


def bring(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    """Let packages be installed that bring formats."""
    real = metadata.entry_points
    brought = metadata.EntryPoints(
        metadata.EntryPoint(name, f"{__name__}:{value}" if ":" not in value else value, registry.GROUP)
        for name, value in points
    )
    # Under importlib's mode a test's module is not found by its name.
    monkeypatch.setitem(sys.modules, __name__, SimpleNamespace(**globals()))

    def entry_points(**selected: Any) -> Any:
        return brought.select(**selected) if selected.get("group") == registry.GROUP else real(**selected)

    monkeypatch.setattr(metadata, "entry_points", entry_points)


def test_a_registered_format_is_one_like_the_others(key: HmacKey, tmp_path: Path) -> None:
    """By dump and load, by a store, and by sign."""
    own = Text()
    assert formats.register(own) is own
    assert formats.register(own) is own
    assert formats.names() == (*OWN, "text")
    statement = safeload.dump("x", tmp_path / "x", format="text", signer=key)
    assert (statement.format, statement.remarks) == ("text", ("It is text.",))
    assert safeload.load(tmp_path / "x", keyring=key) == "x"
    store = safeload.Store(tmp_path / "store", keyring=Keyring.of(key), state=tmp_path / "state")
    store.dump("y", "churn", "v1", format="text")
    assert store.load("churn", "v1") == "y"
    (tmp_path / "z").write_bytes(b"z")
    assert safeload.sign(tmp_path / "z", format="text", signer=key).format == "text"


def test_what_a_registered_format_raises_is_wrapped(key: HmacKey, tmp_path: Path) -> None:
    """What a caller can catch is safeload's."""
    formats.register(Text())
    with pytest.raises(safeload.SerializationError):
        safeload.dumps(1, format="text", signer=key)
    sidecar = sidecar_of(payload_of(b"\xff", "x", format="text"), key)
    with pytest.raises(safeload.DeserializationError):
        safeload.loads(b"\xff", sidecar, name="x", keyring=key)
    (tmp_path / "x").write_bytes(b"\xff")
    with pytest.raises(MalformedError):
        safeload.sign(tmp_path / "x", format="text", signer=key)
    with pytest.raises(TypeError):
        safeload.dumps("x", format="text", signer=key, compress=3)


@pytest.mark.parametrize(
    "name",
    [
        *OWN,
        "auto",
        "folder",
        "tensorflow",
        "",
        "a" * 21,
        "Text",
        "te xt",
        "te-xt",
        "text\n",
        "tëxt",
        "٣",
        "../x",
        1,
        None,
        b"x",
    ],
)
def test_a_name_that_is_taken_reserved_or_odd_is_refused(name: Any) -> None:
    """A statement's word for a format is read by what its signer meant."""
    with pytest.raises(ValueError if isinstance(name, str) else TypeError, match="format"):
        formats.register(Text(name))
    assert formats.names() == OWN


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one object; nor is one taken that an installed package brings."""
    formats.register(Text())
    with pytest.raises(ValueError, match="already"):
        formats.register(Text())
    bring(monkeypatch, ("brought", "BROUGHT"))
    with pytest.raises(ValueError, match="already"):
        formats.register(Text("brought"))


@pytest.mark.parametrize("method", ["dump", "load", "globals_of"])
def test_what_lacks_a_method_is_no_format(method: str) -> None:
    """It is told when it is registered."""
    lacking = Text()
    setattr(lacking, method, None)
    with pytest.raises(TypeError, match=method):
        formats.register(lacking)


@pytest.mark.parametrize("method", ["dump", "load", "globals_of"])
@pytest.mark.parametrize(
    "function",
    [
        lambda one: None,
        lambda one, two, options: None,
        lambda one, two, options=None: None,
        lambda one, two, *, needed: None,
        lambda one, *, two=None: None,
        lambda *both, **options: None,
        type,
    ],
)
def test_a_method_takes_two_arguments_and_options_with_defaults_by_keyword(
    method: str, function: Any
) -> None:
    """Above all not a dict of options, which would be looked at by the format alone."""
    other = Text()
    setattr(other, method, function)
    with pytest.raises(TypeError, match=f"method {method} that takes"):
        formats.register(other)
    assert formats.names() == OWN


def test_options_are_keyword_arguments(key: HmacKey) -> None:
    """Those that a method has are passed on; a value that it refuses is its own error."""
    formats.register(Text())
    artifact, sidecar = safeload.dumps("x", format="text", signer=key, end="!")
    assert safeload.loads(artifact, sidecar, keyring=key) == "x!"
    with pytest.raises(formats.OptionError, match="takes text as end"):
        safeload.dumps("x", format="text", signer=key, end=1)


class Untouched(Text):
    """Fails when it is called."""

    def dump(self, obj: Any, file: IO[bytes], *, end: str = "") -> formats.Written:
        """Fail."""
        pytest.fail("dump was called")

    def load(self, verified: Any, limits: Limits, *, end: str = "") -> str:
        """Fail."""
        pytest.fail("load was called")


@pytest.mark.parametrize("option", ["start", "obj", "file", "self", "End", "end "])
def test_an_unknown_option_is_refused_before_the_format_runs(option: str, key: HmacKey) -> None:
    """By an error that names the format and the option, and is a TypeError as well as a ValueError."""
    formats.register(Untouched())
    match = f"the format text has no option {option}"
    artifact, sidecar = b"x", sidecar_of(payload_of(b"x", "x", format="text"), key)
    with pytest.raises(formats.OptionError, match=match) as caught:
        formats.prepare("text", "x", {option: 1, "end": "!"}, where="x")
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(formats.OptionError, match=match):
        formats.dump("text", "x", io.BytesIO(), {option: 1}, where="x")
    request = LoadRequest(location="x", name="x", policy=Policy())
    verified = gate.verify(Blob(artifact, "x"), sidecar, request, Keyring.of(key))
    with pytest.raises(formats.OptionError, match=match):
        formats.deserialize(verified, Policy(), {option: 1})


def test_a_type_error_of_a_formats_own_code_is_not_taken_for_a_wrong_option(key: HmacKey) -> None:
    """It is wrapped, as every other exception is, with options and without."""

    class Failing(Text):
        def dump(self, obj: Any, file: IO[bytes], *, end: str = "") -> formats.Written:
            raise TypeError("dump() got an unexpected keyword argument 'end'")

        def load(self, verified: Any, limits: Limits, *, end: str = "") -> str:
            raise TypeError("load() got an unexpected keyword argument 'end'")

    formats.register(Failing())
    sidecar = sidecar_of(payload_of(b"x", "x", format="text"), key)
    for options in ({}, {"end": "!"}):
        with pytest.raises(safeload.SerializationError) as dumped:
            safeload.dumps("x", format="text", signer=key, **options)
        with pytest.raises(safeload.DeserializationError) as loaded:
            safeload.loads(b"x", sidecar, name="x", keyring=key, **options)
        assert not isinstance(dumped.value, TypeError)
        assert not isinstance(loaded.value, TypeError)


def test_a_method_may_take_any_option(key: HmacKey) -> None:
    """What the method takes as its two arguments is not among them."""

    class Open(Text):
        def dump(self, obj: Any, file: IO[bytes], **options: Any) -> formats.Written:
            return super().dump(obj + "".join(options), file)

    formats.register(Open())
    artifact, _ = safeload.dumps("x", format="text", signer=key, one=1, two=2)
    assert artifact == b"xonetwo"
    with pytest.raises(formats.OptionError, match="no option file"):
        safeload.dumps("x", format="text", signer=key, file=1)


def test_a_package_brings_a_format_by_an_entry_point(key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is imported when it is first meant, and not before."""
    bring(monkeypatch, ("brought", "BROUGHT"), ("broken", "no.such.module:FORMAT"))
    assert formats.names() == (*OWN, "broken", "brought")
    artifact, sidecar = safeload.dumps("x", format="brought", signer=key)
    assert safeload.loads(artifact, sidecar, keyring=key) == "brought: x"


@pytest.mark.parametrize("name", OWN)
def test_a_package_cannot_take_the_place_of_a_format_of_safeloads_own(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings under such a name is not even imported."""
    bring(monkeypatch, (name, "no.such.module:FORMAT"))
    assert formats.get(name).__class__.__module__.startswith("safeload.formats.")
    assert formats.names() == OWN


@pytest.mark.parametrize("name", ["auto", "folder", "tensorflow", "Odd Name", "x" * 21])
def test_a_package_cannot_bring_a_reserved_or_odd_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither listed nor found."""
    bring(monkeypatch, (name, "BROUGHT"))
    assert formats.names() == OWN
    with watching("import") as imported, pytest.raises(FormatNotAllowed, match="no format"):
        formats.get(name)
    assert not any("no.such" in str(event[0]) for event in imported)


def test_two_packages_with_one_name_are_refused(key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is imported."""
    bring(monkeypatch, ("brought", "BROUGHT"), ("brought", "no.such.module:FORMAT"))
    with pytest.raises(FormatNotAllowed, match="several"):
        safeload.dumps("x", format="brought", signer=key)
    sidecar = sidecar_of(payload_of(b"x", "x", format="brought"), key)
    with pytest.raises(FormatNotAllowed, match="several"):
        safeload.loads(b"x", sidecar, name="x", keyring=key)


@pytest.mark.parametrize(
    "value", ["no.such.module:FORMAT", f"{__name__}:NOTHING", "MISNAMED", "NO_FORMAT", "safeload.formats:get"]
)
def test_a_package_that_brings_no_format_is_a_typed_error(
    value: str, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot be imported, is called otherwise, or is no format at all."""
    bring(monkeypatch, ("brought", value))
    sidecar = sidecar_of(payload_of(b"x", "x", format="brought"), key)
    for call in (
        lambda: safeload.dumps("x", format="brought", signer=key),
        lambda: safeload.loads(b"x", sidecar, name="x", keyring=key),
    ):
        with pytest.raises(FormatNotAllowed, match="brings the format 'brought'"):
            call()


@pytest.mark.parametrize(
    "name", ["nothing", "", "JOBLIB", "joblib ", "os", "safeload.formats", "../x", "x" * 5000]
)
def test_a_format_that_is_not_there_is_refused_by_name(name: str, key: HmacKey) -> None:
    """When it is written, signed and read; the hint lists those that are there."""
    sidecar = sidecar_of(payload_of(b"x", "x", format=name), key)
    for call in (
        lambda: safeload.dumps("x", format=name, signer=key),
        lambda: safeload.loads(b"x", sidecar, name="x", keyring=key),
    ):
        with pytest.raises(FormatNotAllowed) as caught:
            call()
        assert all(known in (caught.value.hint or "") for known in OWN)
        assert str(caught.value).isprintable()


def test_the_policy_is_asked_before_a_format_is_looked_for(
    key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format that it does not admit is not imported for a file."""
    bring(monkeypatch, ("brought", "no.such.module:FORMAT"))
    sidecar = sidecar_of(payload_of(b"x", "x", format="brought"), key)
    policy = safeload.Policy(formats=frozenset({"joblib"}))
    with pytest.raises(FormatNotAllowed, match="policy"):
        safeload.loads(b"x", sidecar, name="x", keyring=key, policy=policy)
    forged = sidecar_of(payload_of(b"y", "x", format="brought"), key)
    with pytest.raises(SafeloadError, match="bytes"):
        safeload.loads(b"x", forged, name="x", keyring=key)

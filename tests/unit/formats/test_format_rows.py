"""One row of facts for each format: each row holds together, and nothing else keeps a list of its own."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import itertools
import re
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.paths import ROOT

import safeload
from safeload import FormatNotAllowed, formats
from safeload.formats import registry
from safeload.formats.auto import AUTO
from safeload.parsers import magic
from safeload.parsers.format_facts import COMPRESSORS, FACTS, RESERVED, ROWS, Row
from safeload.trust.policy import DATA_ONLY_FORMATS, TYPED_FORMATS

PACKAGE = Path(safeload.__file__).parent
EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]["optional-dependencies"]
DOCS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
rows = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@rows
def test_a_row_names_the_module_of_a_format_with_its_name(row: Row) -> None:
    """The module is below formats/, and lies in the package."""
    module = importlib.import_module(f"safeload.formats.{row.module.partition(':')[0]}")
    assert Path(str(module.__file__)).is_relative_to(PACKAGE / "formats")
    found = formats.get(row.name)
    assert found.name == row.name
    assert type(found).__module__ == module.__name__
    assert registry._lacking(found) is None


def test_names_and_suffixes_are_unique() -> None:
    """A name is that of one format, and so is a suffix; the order of the rows is that of the names."""
    assert tuple(FACTS) == formats.names()[: len(ROWS)] == tuple(row.name for row in ROWS)
    suffixes = [suffix for row in ROWS for suffix in row.suffixes]
    assert len(set(suffixes)) == len(suffixes)
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in suffixes)
    assert all(registry._may_be(row.name) for row in ROWS)
    assert RESERVED.isdisjoint(FACTS)
    assert AUTO in RESERVED


def test_the_facts_cannot_be_changed() -> None:
    """A program that could change them would change what is admitted unsigned."""
    with pytest.raises(TypeError):
        FACTS["pickle"] = ROWS[0]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        FACTS["pickle"].unsigned = "listed"  # type: ignore[misc]


def test_only_three_formats_can_be_admitted_unsigned() -> None:
    """Files of a new format must be signed unless its row says otherwise; this list must change then, too."""
    assert Row(name="x", module="x", suffixes=()).unsigned == "never"
    assert {row.name: row.unsigned for row in ROWS if row.unsigned != "never"} == {
        "safetensors": "listed",
        "skops": "allowlist",
        "onnx": "listed",
    }
    assert {"safetensors", "skops", "onnx"} == DATA_ONLY_FORMATS
    assert {"skops"} == TYPED_FORMATS


@rows
def test_an_extra_can_be_installed_and_is_in_the_documents(row: Row) -> None:
    """The row of the table in docs/formats.md names it, or says that nothing is needed."""
    assert row.extra is None or row.extra in EXTRAS
    (line,) = (line for line in DOCS.splitlines() if re.match(rf"\| [^|]*`{row.name}`", line))
    needed = line.split(" | ")[-1]
    assert needed.startswith(f"`{row.extra}`" if row.extra else "nothing")


@rows
def test_the_documents_name_each_option(row: Row) -> None:
    """The keyword arguments of dump and load are those that the table has, and each has a default."""
    found = formats.get(row.name)
    options = {
        parameter.name: parameter
        for method in (found.dump, found.load)
        for parameter in list(inspect.signature(method).parameters.values())[2:]
    }
    assert all(option.kind is option.KEYWORD_ONLY for option in options.values())
    (line,) = (line for line in DOCS.splitlines() if re.match(rf"\| [^|]*`{row.name}`", line))
    named = {name.partition("=")[0] for name in re.findall(r"`([a-z_]+(?:=[^`]*)?)`", line.split(" | ")[3])}
    assert named == set(options)
    assert not set(row.refused_options) & set(options)


@rows
def test_a_refused_option_says_why(row: Row) -> None:
    """And names the format and the option."""
    for option, why in row.refused_options.items():
        with pytest.raises(formats.OptionError, match=f"{row.name} has no option {option}: {why}"):
            formats.prepare(row.name, None, {option: True}, where="x")


@rows
def test_the_versions_that_are_safe_are_those_that_are_installed(row: Row) -> None:
    """What pyproject.toml accepts and what is accepted when it is used are the same versions."""
    for package in row.minimum:
        wanted = [Requirement(line) for extra in EXTRAS.values() for line in extra]
        wanted = [one for one in wanted if one.name == package]
        assert wanted, f"{package} is in no extra"
        assert any(Requirement(line).name == package for line in EXTRAS[str(row.extra)])
        for numbers in itertools.product(range(18), range(28), range(6)):
            version = ".".join(map(str, numbers))
            try:
                registry.require_safe(package, version)
                safe = True
            except FormatNotAllowed:
                safe = False
            assert all(one.specifier.contains(version) == safe for one in wanted), f"{package} {version}"


def test_one_package_has_one_minimum() -> None:
    """Also where several formats need it."""
    minimums = {(package, repr(safe)) for row in ROWS for package, safe in row.minimum.items()}
    assert len({package for package, _ in minimums}) == len(minimums)


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\x02\0\0\0\0\0\0\0{}", "safetensors"),
        (b"\0\0\0\x04\0\0\0\0{", "safetensors"),
        (b"\x08\x07\x12\0\0\0\0\0{", "safetensors"),
        (b"\x80\x04\x95\0\0\0\0\0{", "safetensors"),
        (b"\x01\0\0\0\0\0\0\0{}", None),
        (b"\x01\0\0\x04\0\0\0\0{", None),
        (b"\x02\0\0\0\0\0\0\x01{", None),
        (b"\x93NUMPY\x01\0", "numpy"),
        (b"PAR1", "parquet"),
        (b"ARROW1\0\0", "arrow"),
        (b"ARROW1\0", None),
        (b"PK\x03\x04", "skops"),
        (b"\x08\x07\x12", "onnx"),
        (b"\x08\x80\x12", None),
        (b"\x08\x00\x12", None),
        (b"\x08\x07\0", None),
        (b"\x08\x07", None),
        (b"\x80\x05\n", "joblib"),
        (b"\x80\x06\n", None),
        (b"\x80\x05", None),
        (b"(lp0\n.", "joblib"),
        (b"", None),
        *((prefix + b"\0", "joblib") for _, prefix in COMPRESSORS),
    ],
)
def test_a_file_is_told_by_its_first_bytes(start: bytes, name: str | None) -> None:
    """At the edges; where two could be meant, the first row counts."""
    assert magic.identify(start) == name
    assert magic.identify(memoryview(start)) == name


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"schema.json", "x.npy"}, "skops"),
        ({"schema.json", "a/data.pkl", "config.json", "metadata.json"}, "skops"),
        ({"archive/data.pkl", "archive/version"}, "torch"),
        ({"data.pkl"}, "torch"),
        ({"a/data.pkl", "config.json", "metadata.json"}, "torch"),
        ({"config.json", "metadata.json", "model.weights.h5"}, "keras"),
        ({"config.json"}, "skops"),
        ({"a.npy", "b/c.npy", "\n.npy"}, "numpy"),
        ({"a.npy", "b"}, "skops"),
        ({"xdata.pkl", "schema.json2", "schema-json"}, "skops"),
        (set(), "skops"),
    ],
)
def test_an_archive_is_told_by_its_members(members: set[str], name: str) -> None:
    """What no format knows is called skops, whose reader says what is wrong with it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in sorted(members):
            archive.writestr(member, b"")
    assert magic.identify_archive(buffer.getvalue()) == name
    assert magic.identify_archive(buffer.getvalue()[:-1]) == "skops"


def literals(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Yield the line and the texts of every tuple, list, set and dict that is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
            yield (
                node.lineno,
                {
                    part.value
                    for part in ast.walk(node)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                },
            )


def test_no_other_module_lists_formats_or_suffixes() -> None:
    """A list of three formats, or of three suffixes, is one that a new format would have to be added to."""
    suffixes = {suffix for row in ROWS for suffix in row.suffixes}
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for _, texts in literals(ast.parse(path.read_text(encoding="utf-8")))
        if len(texts & set(FACTS)) >= 3 or len(texts & suffixes) >= 3
    }
    assert found == {"parsers/format_facts.py"}

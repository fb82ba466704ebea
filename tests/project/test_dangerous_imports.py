"""What deserializes, runs or reads is imported only where it belongs, under whatever name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import safeload

PACKAGE = Path(safeload.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text(encoding="utf-8")
    )
    for path in PACKAGE.rglob("*.py")
}
# The demo makes the files that an attacker would make, and lays them beside the honest ones.
DEMO = "safeload.cli.demo."

DESERIALIZERS = {
    *(
        "pickle",
        "_pickle",
        "marshal",
        "shelve",
        "dbm",
        "copyreg",
        "dill",
        "cloudpickle",
        "torch",
    ),
    *("joblib", "skops", "yaml", "jsonpickle", "numpy.lib", "pandas"),
}
READERS = {
    "read_bytes",
    "read_text",
    "fdopen",
    "openpty",
    "mmap",
    "memmap",
    "fromfile",
    "loadtxt",
    "open_code",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Return every module that is imported, also inside functions, and every name from one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(tree: ast.AST) -> Iterator[str]:
    """Return every name and attribute that code uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_the_modules_are_those_of_the_package() -> None:
    """The control: what is searched below is there."""
    assert {"safeload", "safeload.trust.gate", "safeload.formats.pickles.pickle_format"} <= MODULES.keys()
    assert "pickle" in set(imported(MODULES["safeload.formats.pickles.unpicklers"]))
    assert "joblib.numpy_pickle.NumpyPickler" in set(
        imported(MODULES["safeload.formats.pickles.joblib_arrays"])
    )


def test_no_import_is_relative() -> None:
    """So that a search for a module's name finds all that use it."""
    for module, tree in MODULES.items():
        levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert not any(levels), module


def test_deserializers_are_imported_by_the_formats_only() -> None:
    """Whole, in part, or under another name."""
    for module, tree in MODULES.items():
        found = {
            name
            for name in imported(tree)
            if any(name == other or name.startswith(f"{other}.") for other in DESERIALIZERS)
        }
        if module == "safeload.cli.convert":
            found -= {"pandas"}  # for pandas.read_csv
        if not module.startswith(("safeload.formats.", DEMO)):
            assert found == set(), module


def test_files_are_read_by_the_reader_only() -> None:
    """There is one, which knows about links, sizes and changes.

    The presets are files of the package itself.
    """
    for module, tree in MODULES.items():
        if not module.startswith(("safeload.storage.", "safeload.namelists", DEMO)):
            found = READERS & set(used(tree))
            # A memory-mapped array is told by its class, to store its values, or to refuse it.
            telling = ("safeload.formats.pickles.recording", "safeload.formats.skops.types")
            assert found <= ({"memmap"} if module in telling else set()), module


def test_nothing_is_run_from_text() -> None:
    """No eval, no exec, and modules are imported by name from tables of our own only.

    But for skops_types, which looks up what skops would import next, when every name is on the list.
    """
    for module, tree in MODULES.items():
        names = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert names.isdisjoint({"eval", "exec", "compile", "__import__"}), module
        tables = ("safeload", "safeload.formats.registry", "safeload.integrations.hetida")
        if module not in (*tables, "safeload.formats.skops.types"):
            assert "import_module" not in set(used(tree)), module

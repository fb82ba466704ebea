"""Imports go only downward, and what is dangerous stands only where it belongs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import safeload

PACKAGE = Path(safeload.__file__).parent

# From top to bottom. A module may import from its own layer and from those below.
LAYERS = (
    ("__main__", "integrations"),
    ("cli",),
    ("store",),
    ("api",),
    ("formats",),
    ("trust",),
    ("storage", "scanning"),
    ("attestation", "parsers", "namelists", "guarding"),
    ("errors", "limits", "_version"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
# Each family of formats is a package whose modules are private to it.
FAMILIES = tuple(f"safeload.formats.{name}" for name in ("pickles", "skops", "onnx", "tables", "tensors"))


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module of safeload's that is imported, also inside functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "safeload")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "safeload":
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if module in MODULES else str(node.module)


IMPORTS = {
    module: set(imports(ast.parse(path.read_text(encoding="utf-8")))) for module, path in MODULES.items()
}


def room_of(module: str) -> str:
    """Return the room at the top of the package that a module lies in; the package itself has the CLI's."""
    return module.split(".")[1] if "." in module else "cli"


def family_of(module: str) -> str | None:
    return next((family for family in FAMILIES if f"{module}.".startswith(f"{family}.")), None)


# The package itself serves its names lazily; see test_public_names.py.
@pytest.mark.parametrize("module", [module for module in MODULES if module != "safeload"])
def test_imports_go_only_downward(module: str) -> None:
    """No module imports one of a layer above its own; a module without a place in the layers fails."""
    own = RANK[room_of(module)]
    assert not {imported for imported in IMPORTS[module] if RANK[room_of(imported)] < own}


def circles() -> Iterator[frozenset[str]]:
    """Yield the groups of modules that import each other, round about."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []

    def visit(module: str) -> Iterator[frozenset[str]]:
        order[module] = lowest[module] = len(order)
        path.append(module)
        for imported in IMPORTS[module] - {"safeload"}:
            if imported not in order:
                yield from visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in path:
                lowest[module] = min(lowest[module], order[imported])
        if lowest[module] == order[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                yield frozenset(group)

    for module in MODULES:
        if module not in order:
            yield from visit(module)


def test_no_modules_import_each_other_round_about() -> None:
    """There is no circle, not within a package either, nor one for types only."""
    assert not set(circles())


def test_what_is_private_to_a_family_of_formats_stays_there() -> None:
    """A family's modules are imported within it only, and the family itself from floors above only.

    What a family offers stands in its package; formats/ itself loads a family's modules by name.
    """
    assert set(FAMILIES) == {
        dotted(path) for path in (PACKAGE / "formats").iterdir() if (path / "__init__.py").is_file()
    }
    across = {
        (module, imported)
        for module, found in IMPORTS.items()
        for imported in found
        if family_of(imported) is not None and family_of(imported) != family_of(module)
    }
    assert {imported for _, imported in across} <= set(FAMILIES)
    assert all(RANK[room_of(module)] < RANK["formats"] for module, _ in across)
    # Nor is a module reached as an attribute of its package.
    private = (
        name.removeprefix("safeload.formats.") for name in MODULES if family_of(name) not in (None, name)
    )
    places = places_of(rf"\b({'|'.join(map(re.escape, private))})\b")
    assert all(family_of(place) for place in places)


def test_the_house_is_easy_to_find_a_way_in() -> None:
    """Few modules lie at the top, and no folder is crowded."""
    folders = Counter(path.parent for path in MODULES.values() if path.name != "__init__.py")
    assert folders[PACKAGE] <= 7, "the package itself is the eighth"
    assert not {str(folder.relative_to(PACKAGE)) for folder, count in folders.items() if count > 14}


def places_of(pattern: str) -> set[str]:
    """Return the modules in whose code, docstrings and comments aside, a pattern stands."""
    found = set()
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.ClassDef | ast.Attribute):
                text = ast.unparse(node.func if isinstance(node, ast.Call) else node).split("\n")[0]
                if re.search(pattern, text):
                    found.add(module)
    return found


def test_verified_is_made_by_the_gate_alone() -> None:
    """`VerifiedArtifact(...)` is called in trust/gate.py and nowhere else, and so is its proof."""
    assert places_of(r"^VerifiedArtifact$") == {"safeload.trust.gate"}
    users = {module for module, path in MODULES.items() if "_GATE" in path.read_text(encoding="utf-8")}
    assert users == {"safeload.trust.gate"}


def test_unpicklers_stand_in_the_formats_only() -> None:
    """Whatever deserializes is named in formats/ only."""
    pattern = r"(pickle\.loads?|[Uu]npickler|joblib\.load|skops\.io\.loads?|marshal)\b"
    assert {room_of(place) for place in places_of(pattern)} == {"formats"}


def test_files_are_opened_in_storage_only() -> None:
    """`os.open` and `open` are called in storage/ only: there is one reader and one writer."""
    places = places_of(r"^(os\.open|open|io\.open|io\.FileIO)$")
    assert {place.rpartition(".")[0] for place in places} == {"safeload.storage"}


@pytest.mark.parametrize("room", ["scanning", "parsers"])
def test_what_reads_hostile_bytes_imports_none_of_their_libraries(room: str) -> None:
    """Neither numpy, joblib nor skops when it is imported, and nothing by a name in a text at any time."""
    for module, path in MODULES.items():
        if room_of(module) != room:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {
            alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not {name.partition(".")[0] for name in names} & {"importlib", "imp", "pkgutil", "runpy"}, (
            module
        )
        assert "__import__" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}, module
        at_import = {
            (node.names[0].name if isinstance(node, ast.Import) else str(node.module)).partition(".")[0]
            for node in outside_functions(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert not at_import & {"numpy", "joblib", "skops"}, module


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when a module is imported, and what is for types only."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from outside_functions(node)


def modules_after(code: str, tmp_path: Path) -> set[str]:
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    return {line.partition(".")[0] for line in ran.stdout.splitlines()}


def test_importing_safeload_imports_nothing_heavy(tmp_path: Path) -> None:
    """`import safeload` brings in none of the packages that it uses."""
    heavy = {"numpy", "joblib", "skops", "sklearn", "pandas", "scipy", "msgspec", "cryptography", "blake3"}
    heavy |= {"typer", "rich", "joserfc", "platformdirs", "fastapi", "uvicorn", "httpx"}
    assert not heavy & modules_after("import safeload; dir(safeload)", tmp_path)


def test_importing_a_family_of_formats_imports_none_of_its_libraries(tmp_path: Path) -> None:
    """Each is imported by the functions that need it."""
    libraries = {
        "numpy",
        "joblib",
        "skops",
        "sklearn",
        "onnx",
        "onnxruntime",
        "skl2onnx",
        "pyarrow",
        "pandas",
    }
    assert not libraries & modules_after("\n".join(f"import {family}" for family in FAMILIES), tmp_path)


def test_loading_a_small_object_imports_only_what_it_needs(tmp_path: Path) -> None:
    """Loading a joblib file of plain data, with a key from the environment, pays for no library at all."""
    code = (
        "import os, base64, safeload\n"
        "os.environ['SAFELOAD_KEY'] = base64.b64encode(bytes(range(32))).decode()\n"
        "safeload.dump([1, 2], 'x.joblib')\n"
        "assert safeload.load('x.joblib') == [1, 2]"
    )
    unneeded = {"skops", "sklearn", "pandas", "scipy", "typer", "rich", "joserfc", "platformdirs"}
    unneeded |= {"numpy", "joblib", "concurrent"}
    assert not unneeded & modules_after(code, tmp_path)

"""Imports go only downward, and what is dangerous stands only where it belongs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import safeload

PACKAGE = Path(safeload.__file__).parent

# From top to bottom. A module may import from its own layer and from those below.
LAYERS = (
    ("__main__", "cli", "integrations"),
    ("store",),
    ("inspection", "sharing", "guarding", "conversion"),
    ("contents",),
    ("artifacts",),
    ("folder_signing",),
    ("folders",),
    ("signed_writing",),
    ("signing", "scanning", "verified_reading"),
    ("formats",),
    ("environment", "verification", "verified_records"),
    ("checks",),
    ("magic", "policy"),
    ("settings",),
    ("keys",),
    ("storage",),
    ("sidecar",),
    ("envelope", "pointer"),
    ("statement",),
    ("subjects",),
    ("configured", "expectation", "loading", "digests", "limits", "presets"),
    ("errors", "_version"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield every module of safeload's that is imported, also inside functions, but not for types only."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("safeload"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "safeload":
            if node.module == "safeload":
                yield from (f"safeload.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""
        yield from imports(node)


def layer_of(module: str) -> str:
    return module.split(".")[1]


# The package itself serves its names lazily; see test_public_names.py.
@pytest.mark.parametrize("path", [path for path in MODULES if dotted(path) != "safeload"], ids=dotted)
def test_imports_go_only_downward(path: Path) -> None:
    """No module imports one of a layer above its own; a module without a place in the layers fails."""
    module = dotted(path)
    own = RANK[layer_of(module)]
    for imported in imports(ast.parse(path.read_text(encoding="utf-8"))):
        part = layer_of(imported + ".")
        # `from safeload import dump` and the like: the public interface is artifacts and below.
        rank = RANK.get(part, RANK["inspection"])
        assert rank >= own, f"{module} imports {imported}"


def places_of(pattern: str) -> set[str]:
    """Return the modules in whose code, docstrings and comments aside, a pattern stands."""
    found = set()
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call | ast.ClassDef | ast.Attribute):
                text = ast.unparse(node.func if isinstance(node, ast.Call) else node).split("\n")[0]
                if re.search(pattern, text):
                    found.add(dotted(path))
    return found


def test_verified_is_made_by_the_gate_alone() -> None:
    """`Verified(...)` is called in verification.py and nowhere else, and so is its proof."""
    assert places_of(r"^Verified$") == {"safeload.verification"}
    users = {dotted(path) for path in MODULES if "_GATE" in path.read_text(encoding="utf-8")}
    assert users == {"safeload.verification"}


def test_unpicklers_stand_in_the_formats_only() -> None:
    """Whatever deserializes is named in formats/ only."""
    pattern = r"(pickle\.loads?|[Uu]npickler|joblib\.load|skops\.io\.loads?|marshal)\b"
    assert {place.rpartition(".")[0] for place in places_of(pattern)} == {"safeload.formats"}


def test_files_are_opened_in_storage_only() -> None:
    """`os.open` and `open` are called in storage/ only: there is one reader and one writer."""
    places = places_of(r"^(os\.open|open|io\.open|io\.FileIO)$")
    assert {place.rpartition(".")[0] for place in places} == {"safeload.storage"}


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

"""Records the names that real dumps need, and writes them, reviewed, into the presets.

To record with the versions that are installed, in as many environments as there are stacks to admit::

    python tools/presets.py record names-of-this-stack.json

and then, with safeload installed, to write the union of all recordings into ``safeload/namelists/``::

    python tools/presets.py merge names-*.json

``merge`` keeps the names that the presets hold already: a name is taken out by hand, in a commit that says
why. It leaves out what runs its state and what may never be named, says so, and refuses a name whose package
is nobody's. What it adds is to be READ by a person before it is committed: a preset may hold nothing that
calls what it is given by name, opens files, imports, or runs its own state.

The stacks that the committed presets come from stand in ``safeload/namelists/__init__.py``.
"""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("joblib", "numpy", "scipy", "pandas", "scikit-learn", "xgboost", "lightgbm")
# What changes the names where it is installed.
OPTIONAL = ("pyarrow",)
# The same package in another build.
BUILDS = {"xgboost": "xgboost-cpu"}
FAMILIES = {
    "joblib": "numpy",  # whose arrays joblib wraps
    "numpy": "numpy",
    "scipy": "scipy",
    "pandas": "pandas",
    "pytz": "pandas",
    "dateutil": "pandas",
    "pyarrow": "pandas",  # which keeps texts in its arrays where it is installed
    "sklearn": "sklearn",
    "_loss": "sklearn",  # what Cython calls the module of scikit-learn's losses
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
}


def modern(module: str, name: str) -> str:
    """Return what protocols 0 to 2 call by the names of Python 2."""
    import _compat_pickle

    if (module, name) in _compat_pickle.NAME_MAPPING:
        module, name = _compat_pickle.NAME_MAPPING[module, name]
    else:
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
    return f"{module}.{name}"


def names_of(obj: Any) -> tuple[set[str], set[str]]:
    """Return what the dumps of an object, by joblib and by pickle, refer to, and what of it they call."""
    import joblib
    from joblib.numpy_pickle import NumpyUnpickler

    names: set[str] = set()
    called: set[str] = set()
    by_id: dict[int, str] = {}

    def recording(base: Any) -> Any:
        class Unpickler(base):
            dispatch = dict(base.dispatch)  # noqa: RUF012  as its base has it

            def find_class(self, module: str, name: str) -> Any:
                found = super().find_class(module, name)
                full = modern(module, name)
                names.add(full)
                by_id[id(found)] = full
                return found

            def load_reduce(self) -> None:
                function = self.stack[-2]
                # What is called and has no name came out of another call: the method of a class.
                if id(function) in by_id:
                    called.add(by_id[id(function)])
                super().load_reduce()

            dispatch[pickle.REDUCE[0]] = load_reduce

        return Unpickler

    for protocol in (2, 4, 5):
        data = io.BytesIO()
        joblib.dump(obj, data, protocol=protocol)
        data.seek(0)
        recording(NumpyUnpickler)("", data, True).load()
        recording(pickle._Unpickler)(io.BytesIO(pickle.dumps(obj, protocol))).load()
    return names, called


def recorded() -> tuple[set[str], set[str], int, int]:
    """Return the names and calls in the dumps of all specimens; how many were dumped, how many failed."""
    import warnings

    import specimens

    names: set[str] = set()
    called: set[str] = set()
    dumped = failed = 0
    for group in specimens.GROUPS:
        for obj in group():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found = names_of(obj)
                except Exception as error:
                    failed += 1
                    print(f"  {group.__name__}: {type(obj)}: {error!r:.200}", file=sys.stderr)
                else:
                    dumped += 1
                    names |= found[0]
                    called |= found[1]
    return names, called, dumped, failed


def distributions() -> set[str]:
    """Return the classes of scipy.stats that execute their own state."""
    from scipy.stats._distn_infrastructure import rv_frozen, rv_generic

    found = [rv_generic, rv_frozen]
    for cls in found:
        found += cls.__subclasses__()
    return {f"{cls.__module__}.{cls.__qualname__}" for cls in found}


def record(path: Path) -> None:
    """Write a recording."""
    names, called, dumped, failed = recorded()
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = metadata.version(BUILDS[package])
    for package in OPTIONAL:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    document = {"versions": versions, "dumps": dumped, "distributions": sorted(distributions())}
    document |= {"names": sorted(names), "called": sorted(called)}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{len(names)} names of {dumped} objects, {failed} could not be dumped: {versions}")


def family(name: str) -> str:
    """Return the preset that a name belongs to."""
    top = name.split(".")[0]
    if top in sys.stdlib_module_names:
        return "python"
    if top not in FAMILIES:
        raise SystemExit(f"{name} belongs to no preset")
    return FAMILIES[top]


def merge(recordings: list[Path]) -> None:
    """Write the presets."""
    from safeload import namelists

    documents = [json.loads(path.read_text(encoding="utf-8")) for path in recordings]
    unlisted = set().union(*(entry["distributions"] for entry in documents)) - set(namelists.runs_its_state())
    if unlisted:
        raise SystemExit(f"to be added to runs_its_state.txt first: {sorted(unlisted)}")
    names = set(namelists.known()).union(*(entry["names"] for entry in documents))
    files: dict[str, list[str]] = {name: [] for name in namelists.names()}
    for name in sorted(names):
        reason = namelists.refusal(name)
        if reason is not None:
            print(f"left out: {name} ({reason})")
            continue
        files[family(name)].append(name)
    kept = set().union(*files.values())
    calls = set(namelists.called()).union(*(entry["called"] for entry in documents)) & kept
    for name, lines in (*files.items(), ("called", sorted(calls))):
        write(Path(namelists.__file__).parent / f"{name}.txt", lines)


def write(path: Path, lines: list[str]) -> None:
    """Replace the names in a data file and keep its heading."""
    former = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    head = [line for line in former if line.startswith("#")]
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(f"{path.stem}: {len(lines)} names, {len(set(lines) - set(former))} new")


def main(arguments: list[str]) -> None:
    """Run one of the two commands."""
    match arguments:
        case ["record", path]:
            record(Path(path))
        case ["merge", *paths] if paths:
            merge([Path(path) for path in paths])
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The presets: exact names from real dumps, reviewed; and what no list may name."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.paths import ROOT

from safeload import Policy, PolicyError, namelists
from safeload.scanning import STANDARD
from safeload.trust.policy import allowlist

# What the tools need of xgboost and lightgbm is not installed for the tests.
GROUPS = ("standard_library", "numpy_arrays", "scipy_objects", "pandas_objects", "sklearn_objects")
FAMILIES = {
    "numpy": {"numpy", "joblib"},
    "pandas": {"pandas", "pytz", "dateutil", "pyarrow"},
    "sklearn": {"sklearn", "_loss"},
    "python": set(sys.stdlib_module_names),
}


@pytest.fixture(scope="module")
def tool() -> Iterator[Any]:
    """Return the module that records names."""
    sys.path.insert(0, str(ROOT / "tools"))
    # The command has the name of the package's module, whose place it must not take.
    loaded = importlib.util.spec_from_file_location("preset_tool", ROOT / "tools" / "presets.py")
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def recording(tool: Any) -> dict[str, Any]:
    """Return what the dumps of all specimens, made with the installed versions, need."""
    import specimens

    names: set[str] = set()
    called: set[str] = set()
    dumped = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for group in GROUPS:
            for obj in getattr(specimens, group)():
                found = tool.names_of(obj)
                names |= found[0]
                called |= found[1]
                dumped += 1
    return {"names": names, "called": called, "dumped": dumped}


@pytest.mark.slow
def test_the_names_that_todays_dumps_need_are_in_the_presets(
    recording: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """All but those that the review refused, and of these exactly the ones that it is known to refuse."""
    assert recording["dumped"] > 900
    missing = {name for name in recording["names"] - namelists.known() if namelists.refusal(name) is None}
    assert not missing
    refused = recording["names"] - namelists.known()
    assert {name for name in refused if not name.startswith(("scipy.stats.", "dateutil.tz."))} <= {
        *("_codecs.encode", "builtins.getattr", "numpy.vectorize"),
    }
    with capsys.disabled():
        print(f"\n  {recording['dumped']} dumps refer to {len(recording['names'])} names", end="")
        print(f", of which {len(refused)} are refused; the presets hold {len(namelists.known())}", end="")


@pytest.mark.slow
def test_the_names_that_todays_dumps_call_are_listed_as_called(recording: dict[str, Any]) -> None:
    """So that whoever sees a call of another name knows that no library wrote it."""
    assert {name for name in recording["called"] if namelists.refusal(name) is None} <= namelists.called()
    assert namelists.called() < namelists.known()
    # A class that is only ever made without its constructor is not called; nor is a scorer.
    for name in (
        *("sklearn.pipeline.Pipeline", "sklearn.metrics._scorer._Scorer", "numpy.mean"),
        *("sklearn.neighbors._ball_tree.BallTree", "xgboost.core.Booster", "pandas.core.frame.DataFrame"),
    ):
        assert name in namelists.known()
        assert name not in namelists.called()


def test_each_name_is_that_of_one_thing_of_its_own_library() -> None:
    """Whole, in order, of the family that the preset is called after, and in one file only."""
    seen: set[str] = set()
    for preset in namelists.names():
        own = namelists.own(preset)
        assert own
        assert not own & seen
        seen |= own
        for name in own:
            assert re.fullmatch(r"\w+(\.\w+)+", name)
            assert name.split(".")[0] in FAMILIES.get(preset, {preset})
    assert seen == namelists.known()


def resolve(name: str) -> Any:
    """Return what a name stands for, or None if this installation does not have it."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found: Any = importlib.import_module(".".join(parts[:length]))
                for part in parts[length:]:
                    found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        return found
    return None


SINGLETONS = {"builtins.Ellipsis", "builtins.NotImplemented", "pandas.NA", "pandas._libs.missing.NA"}


def test_what_the_names_stand_for_is_a_class_or_function_of_the_family() -> None:
    """Not a module, not an object, not something that the library took from elsewhere."""
    resolved = 0
    for preset in namelists.names():
        for name in namelists.own(preset):
            found = resolve(name)
            if found is None:
                continue
            resolved += 1
            if name in SINGLETONS:
                continue
            assert callable(found), name
            if isinstance(found, np.ufunc):
                continue  # It has no module.
            home = found.__module__.split(".")[0]
            assert home in FAMILIES.get(preset, {preset}) | {"numpy", "cython_runtime"}, name
            assert namelists.refusal(f"{found.__module__}.{found.__qualname__}") is None, name
    assert resolved > 700


def test_no_preset_names_what_no_list_may_name() -> None:
    """Nor do the data files of reasons overlap."""
    for name in namelists.known():
        assert namelists.refusal(name) is None
    assert set(namelists.native_parsers()) & namelists.known()
    assert not set(namelists.never()) & set(namelists.runs_its_state())
    for name, reason in (namelists.never() | namelists.runs_its_state() | namelists.native_parsers()).items():
        assert name
        assert len(reason) > 20


DANGEROUS = [
    *("builtins.eval", "builtins.getattr", "builtins.__import__", "builtins.open", "builtins.type"),
    *("functools.partial", "functools.reduce", "operator.attrgetter", "operator.methodcaller"),
    *("_operator.itemgetter", "os.system", "posix.system", "nt.system", "subprocess.Popen", "sys.exit"),
    *("joblib.load", "joblib.numpy_pickle.load", "numpy.load", "numpy.lib.npyio.load", "numpy.memmap"),
    *("numpy.lib._npyio_impl.load", "numpy.core._ufunc_reconstruct", "numpy._core._ufunc_reconstruct"),
    *("numpy.testing._private.utils.runstring", "pandas.eval", "pandas.io.pickle.read_pickle"),
    *("pandas.core.frame.DataFrame.query", "pandas.core.computation.eval.eval", "pickle.loads"),
    *("importlib.import_module", "runpy.run_path", "pydoc.locate", "timeit.timeit", "code.interact"),
    *("cProfile.run", "torch.load", "types.FunctionType", "marshal.loads", "ctypes.CDLL", "shutil.rmtree"),
    *("collections.namedtuple", "copyreg.add_extension", "_codecs.encode", "safeload.load", "pip.main"),
    *(
        "builtins.map",
        "builtins.setattr",
        "itertools.starmap",
        "dateutil.tz.tz.tzfile",
        "io.open",
        "_io.FileIO",
    ),
    *("scipy.stats._continuous_distns.uniform_gen", "scipy.stats._distn_infrastructure.rv_continuous_frozen"),
    *("scipy.stats.distributions.norm_gen", "scipy.stats.rv_discrete"),
]


@pytest.mark.parametrize("name", DANGEROUS)
def test_what_reaches_what_was_not_named_is_never_allowed(name: str, tmp_path: Path) -> None:
    """By the constructor, by a file, and beside a preset; the message says why."""
    assert namelists.refusal(name) is not None
    assert name not in namelists.known()
    for names in ([name], ["preset:sklearn", name]):
        with pytest.raises(PolicyError, match="cannot be on an allowlist"):
            Policy(allow=frozenset(names))
    path = tmp_path / "policy.toml"
    path.write_text(f'allow = ["{name}"]')
    path.chmod(0o600)
    with pytest.raises(PolicyError, match="cannot be on an allowlist"):
        Policy.load(path)


@pytest.mark.parametrize("name", sorted(namelists.runs_its_state()))
def test_a_type_that_runs_its_state_is_on_no_list(name: str) -> None:
    """Not for pickles, and not for unsigned skops files either, whatever the call says."""
    for make in (
        lambda: allowlist([name]),
        lambda: Policy(trusted=frozenset({name})),
        lambda: Policy().allowlist_for(["a.B", name]),
        lambda: Policy(allow=frozenset({name})),
        lambda: Policy(skops_defaults=frozenset({name})),
    ):
        with pytest.raises(PolicyError, match=r"state|source") as caught:
            make()
        assert name in str(caught.value)


def test_every_distribution_of_scipy_is_on_the_list() -> None:
    """Of the version that is installed, by the class itself."""
    import scipy.stats
    from scipy.stats._distn_infrastructure import rv_frozen, rv_generic

    found = [rv_generic, rv_frozen]
    for cls in found:
        found += cls.__subclasses__()
    listed = [f"{cls.__module__}.{cls.__qualname__}" for cls in found if cls.__module__.startswith("scipy.")]
    assert len(listed) > 120
    assert set(listed) <= set(namelists.runs_its_state())
    assert f"{type(scipy.stats.uniform).__module__}.uniform_gen" in namelists.runs_its_state()


def test_the_reason_holds_a_distribution_runs_a_text_of_its_state(tmp_path: Path) -> None:
    """With no name in the file that a benign one does not have: shown in a process of its own."""
    marker = tmp_path / "marker"
    script = f"""
import pickle
from scipy.stats import norm
norm._parse_arg_template = norm._parse_arg_template + "open({str(marker)!r}, 'w').close()\\n"
pickle.loads(pickle.dumps(norm))
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    assert marker.exists()


def test_a_preset_in_a_policy_stands_for_its_names(tmp_path: Path) -> None:
    """With those of the libraries below it; in a file as in the constructor; beside names of one's own."""
    policy = Policy(allow=frozenset({"preset:sklearn", "mine.Model"}))
    assert policy.allow == namelists.preset("sklearn") | {"mine.Model"}
    assert namelists.own("python") | namelists.own("numpy") | namelists.own("scipy") < namelists.preset(
        "sklearn"
    )
    assert not namelists.own("pandas") & namelists.preset("sklearn")
    path = tmp_path / "policy.toml"
    path.write_text('allow = ["preset:sklearn", "mine.Model"]\ntrusted = ["preset:xgboost"]')
    path.chmod(0o600)
    assert Policy.load(path).allow == policy.allow
    assert Policy.load(path).trusted == namelists.preset("xgboost")
    assert Policy().allow is None
    assert Policy(allow=frozenset()).allow == frozenset()
    assert Policy().allowlist_for(["preset:numpy"]) == namelists.preset("numpy")


@pytest.mark.parametrize(
    "name",
    [
        "preset:",
        "preset:Sklearn",
        "preset:sklearn.*",
        "preset:*",
        "preset:never",
        "preset:../never",
        "preset",
    ],
)
@pytest.mark.parametrize("field", ["allow", "trusted", "skops_defaults"])
def test_a_preset_that_there_is_not_is_refused(name: str, field: str) -> None:
    """Also the data files that are none."""
    with pytest.raises(PolicyError):
        Policy(**{field: frozenset({name})})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sklearn.*", "*", "sklearn", "", "a b.c", "re:.*", "numpy.", "a..b"])
def test_a_wildcard_is_refused_in_every_list(name: str) -> None:
    """A list holds whole names."""
    for field in ("allow", "trusted", "skops_defaults"):
        with pytest.raises(PolicyError, match="exact name"):
            Policy(**{field: frozenset({name})})  # type: ignore[arg-type]


@pytest.mark.parametrize("names", [True, "a.B", 1, [int], [None]], ids=str)
def test_an_allowlist_of_something_else_is_misuse(names: Any) -> None:
    """As for the other list."""
    with pytest.raises(TypeError, match="allow="):
        Policy(allow=names)


DAMAGED = {
    "cut": b"a.B\nc.",
    "empty": b"",
    "only a comment": b"# x\n",
    "out of order": b"c.D\na.B\n",
    "twice": b"a.B\na.B\n",
    "a wildcard": b"a.*\n",
    "no whole name": b"a\n",
    "an empty line": b"a.B\n\nc.D\n",
    "a space": b"a.B \n",
    "not ASCII": b"a.\xc3\xa4\n",
    "never": b"builtins.eval\n",
    "runs its state": b"scipy.stats._distn_infrastructure.rv_generic\n",
    "other line ends": b"a.B\r\nc.D\r\n",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_preset_is_an_error(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a shorter list, never a longer one."""
    for name in ("never", "runs_its_state"):
        (tmp_path / f"{name}.txt").write_bytes((ROOT / "safeload" / "namelists" / f"{name}.txt").read_bytes())
    (tmp_path / "numpy.txt").write_bytes(DAMAGED[case])
    monkeypatch.setattr(namelists.resources, "files", lambda _: tmp_path)
    with pytest.raises(PolicyError, match="damaged"):
        namelists.own.__wrapped__("numpy")
    (tmp_path / "scipy.txt").write_bytes(b"# fine\na.B\nc.D\n")
    assert namelists.own.__wrapped__("scipy") == {"a.B", "c.D"}
    with pytest.raises(PolicyError, match="damaged"):
        namelists.own.__wrapped__("pandas")


DAMAGED_REASONS = {
    "without a reason": b"a.B\n",
    "without names": b"= why\n",
    "a section without names": b"= why\n= another\na.B\n",
    "a name twice": b"= one\na.B\n= two\na.B\n",
    "out of order": b"= why\nb\na\n",
    "cut": b"= why\na.B\nc.",
    "empty": b"",
    "a wildcard": b"= why\na.*\n",
    "an empty line": b"= why\na.B\n\nc.D\n",
    "not ASCII": b"= why\na.\xc3\xa4\n",
    "other line ends": b"= why\r\na.B\r\n",
}
WITH_REASONS = ("never", "runs_its_state", "native_parsers", "dangerous", "file_openers")


@pytest.mark.parametrize("case", DAMAGED_REASONS)
@pytest.mark.parametrize("name", WITH_REASONS)
def test_a_damaged_list_of_reasons_is_an_error(
    name: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a shorter list; a missing file is an error too."""
    monkeypatch.setattr(namelists.resources, "files", lambda _: tmp_path)
    read = getattr(namelists, name).__wrapped__
    with pytest.raises(PolicyError, match="cannot be read"):
        read()
    (tmp_path / f"{name}.txt").write_bytes(DAMAGED_REASONS[case])
    with pytest.raises(PolicyError, match="damaged"):
        read()
    (tmp_path / f"{name}.txt").write_bytes(b"# fine\n= one\na.B\nc\n= two\nb\n")
    assert read() == {"a.B": "one", "c": "one", "b": "two"}


def test_the_dangerous_names_are_none_that_data_need() -> None:
    """No name of a preset and none of the standard names is listed or lies below a listed one."""
    assert len(namelists.dangerous()) > 300
    assert [name for name in namelists.known() | STANDARD if namelists.why_dangerous(name)] == []
    for name in ("os.system", "os.path.join", "builtins.eval", "builtins.eval.__self__", "torch.load"):
        assert namelists.why_dangerous(name) is not None
    assert namelists.why_dangerous("osmium.Model") is None


def test_what_opens_files_is_listed_by_the_name_that_it_reports() -> None:
    """With everything below it; a module that only begins like one is not."""
    for name in (
        "_io.open",
        "gzip.GzipFile",
        "tarfile.TarFile.open",
        "shelve.open",
        "pandas.io.json._json.x",
    ):
        assert namelists.opens_files(name)
    for name in ("builtins.len", "dbmodels.Model", "numpy.ndarray", "pandas.core.frame.DataFrame", "open"):
        assert not namelists.opens_files(name)
    assert not set(namelists.file_openers()) & namelists.known()


def test_importing_reads_no_list_of_dangerous_names(tmp_path: Path) -> None:
    """Nor does loading plain data; each list is read when a name is first looked up."""
    script = (
        "import os, base64, safeload\n"
        "os.environ['SAFELOAD_KEY'] = base64.b64encode(bytes(range(32))).decode()\n"
        "safeload.dump([1, 2], 'x.joblib')\n"
        "assert safeload.load('x.joblib') == [1, 2]\n"
        "import safeload.scanning.contents\n"
        "from safeload import namelists\n"
        "assert not namelists.dangerous.cache_info().currsize\n"
        "assert not namelists.file_openers.cache_info().currsize\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_the_calls_that_may_be_admitted_are_those_that_real_dumps_make() -> None:
    """Two functions that must not be named are each called in one way."""
    import zoneinfo

    assert zoneinfo.ZoneInfo("UTC").__reduce__()[0] == zoneinfo.ZoneInfo._unpickle
    data = pickle.dumps(zoneinfo.ZoneInfo("UTC"), 4)
    assert b"getattr" in data
    assert b"_unpickle" in data
    assert b"latin1" in pickle.dumps(b"\xff", 2)
    assert {name for name, _ in namelists.EXACT_CALLS} == {"builtins.getattr", "_codecs.encode"}
    assert all(namelists.refusal(name) for name, _ in namelists.EXACT_CALLS)

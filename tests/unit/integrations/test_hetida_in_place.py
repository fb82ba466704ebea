"""``harden()`` and the text components, in a stand-in for hetida's runtime."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
import uuid
from pathlib import Path

import pytest
from support import hetida_standin
from support.hetida_standin import Runtime, component_of, load_object, stand_in, store_object

from safeload import errors
from safeload.errors import SafeloadError
from safeload.integrations import hetida
from safeload.integrations.hetida import UnknownRuntime
from safeload.integrations.hetida.errors import CODES, code_of


@pytest.fixture
def runtime(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Make this process act as a runtime."""
    return stand_in(monkeypatch, repo)


@pytest.mark.parametrize("components", ["released", "safeload's"])
def test_both_kinds_of_components_store_and_load(components: str, runtime: Runtime) -> None:
    """The released ones need ``harden()``, safeload's own do not; each reads the other's objects."""
    hetida.harden()
    store, load = store_object, load_object
    if components != "released":
        store, _ = component_of(hetida.COMPONENTS / "store_object.py")
        load, _ = component_of(hetida.COMPONENTS / "load_object.py")
    for tag in ("1", "2"):
        stored = runtime.run(store, values={"name": "plant-a/pump", "tag": tag, "obj": [tag]})
        assert stored == {"result": "ok", "error": None, "output_results_by_output_name": {}}
    for tag, expected in (("1", ["1"]), ("latest", ["2"])):
        loaded = runtime.run(load, values={"name": "plant-a/pump", "tag": tag})
        assert loaded["output_results_by_output_name"] == {"obj": expected}
    assert runtime.run(load_object, values={"name": "plant-a/pump", "tag": "2"})["result"] == "ok"


def test_the_reason_of_a_refusal_arrives_in_the_json(runtime: Runtime, repo: Path) -> None:
    """It has number and details, and the errors keep the classes that hetida's functions raise."""
    hetida.harden()
    refused = runtime.run(store_object, values={"name": "churn", "tag": "LATEST", "obj": 1})["error"]
    assert (refused["type"], refused["error_code"]) == ("InvalidName", 134)
    missing = runtime.run(load_object, values={"name": "churn", "tag": "1"})["error"]
    assert (missing["type"], missing["error_code"]) == ("NotFound", 131)
    runtime.run(store_object, values={"name": "churn", "tag": "1", "obj": "x"})
    (artifact,) = (repo / "churn").glob("*.joblib")
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"!")
    swapped = runtime.run(load_object, values={"name": "churn", "tag": "latest"})["error"]
    assert (swapped["type"], swapped["error_code"]) == ("DigestMismatch", 116)
    details = swapped["extra_information"]
    assert set(details) == {"error", "problem", "where", "hint", "name", "tag"}
    assert (details["error"], details["name"], details["tag"]) == ("DigestMismatch", "churn", "latest")
    with pytest.raises(FileNotFoundError):
        hetida.load_obj("churn", "2")
    with pytest.raises(ValueError, match="latest"):
        hetida.dump_obj(1, "churn", "latest")
    assert hetida.dump_obj(1, "churn", "3") is None


def test_without_a_key_nothing_is_stored(
    runtime: Runtime, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the command that makes one."""
    hetida.harden()
    monkeypatch.delenv("SAFELOAD_KEY")
    error = runtime.run(store_object, values={"name": "churn", "tag": "1", "obj": 1})["error"]
    assert (error["type"], error["error_code"]) == ("NoKeyError", 140)
    assert "safeload keygen" in error["message"]
    assert not repo.exists()


def test_every_error_has_a_number_of_its_own() -> None:
    """The numbers are unique and never change."""
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, SafeloadError)
    ]
    assert set(classes) <= set(CODES)
    assert len(set(CODES.values())) == len(CODES)
    assert {cls.__name__: number for cls, number in CODES.items()} == {
        "SafeloadError": 100,
        "VerificationError": 110,
        "SignatureMissing": 111,
        "SignatureInvalid": 112,
        "UnknownKey": 113,
        "KeyNotAllowed": 114,
        "Expired": 115,
        "DigestMismatch": 116,
        "SubjectMismatch": 117,
        "RollbackDetected": 118,
        "PolicyError": 120,
        "UntrustedType": 121,
        "FormatNotAllowed": 122,
        "LimitExceeded": 123,
        "EnvironmentMismatch": 124,
        "UnguardedOperation": 125,
        "StoreError": 130,
        "NotFound": 131,
        "TagExists": 132,
        "AlreadyExists": 133,
        "InvalidName": 134,
        "NoKeyError": 140,
        "KeyringError": 141,
        "MalformedError": 150,
        "StorageError": 160,
        "SerializationError": 170,
        "DeserializationError": 171,
        "UnknownRuntime": 180,
        "WiringError": 181,
    }

    class OfAnotherRelease(errors.NotFound):
        pass

    assert code_of(OfAnotherRelease("x")) == 131


def test_hardening_twice_changes_nothing(runtime: Runtime) -> None:
    """A configuration may be read again."""
    hetida.harden()
    hetida.harden()
    assert sys.modules["hetdesrun.serialization"].load_obj is hetida.load_obj


def test_without_a_runtime_it_says_so() -> None:
    """The error names the file that should call it."""
    with pytest.raises(UnknownRuntime, match=r"hetdesrun_config\.py"):
        hetida.harden()


def _another_load(name: str, tag: str, version: int = 0) -> None:
    """Stand for a function of another version."""


@pytest.mark.parametrize("what", [None, 7, _another_load, lambda tag, name: None])
def test_an_unknown_version_of_the_runtime_is_left_alone(what: object, runtime: Runtime) -> None:
    """Its function is missing or takes other arguments; then the other one is not replaced either."""
    module = sys.modules["hetdesrun.serialization"]
    before = module.dump_obj
    module.load_obj = what  # type: ignore[attr-defined]
    with pytest.raises(UnknownRuntime, match=r"load_obj is not a function of \(name, tag\)"):
        hetida.harden()
    assert module.dump_obj is before


def test_who_holds_the_function_already_would_go_on_calling_it(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is refused, and the error names the module."""
    holder = types.ModuleType("hetdesrun.early")
    holder.load = sys.modules["hetdesrun.serialization"].load_obj  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hetdesrun.early", holder)
    with pytest.raises(
        UnknownRuntime, match=r"hetdesrun\.early has already imported hetdesrun\.serialization\."
    ):
        hetida.harden()


def test_another_folder_in_the_runtimes_settings_is_refused(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can come from a file of settings, which safeload does not read."""
    monkeypatch.setenv("MODEL_REPO_PATH", "/somewhere/else")
    with pytest.raises(UnknownRuntime, match="another folder"):
        hetida.harden()
    monkeypatch.delitem(sys.modules, "hetdesrun.webservice.config")
    with pytest.raises(UnknownRuntime, match="does not provide the repository's folder"):
        hetida.harden()


@pytest.mark.parametrize(
    ("file", "inputs", "outputs"),
    [("store_object.py", ["name", "tag", "obj"], []), ("load_object.py", ["name", "tag"], ["obj"])],
)
def test_the_components_are_in_hetidas_format(
    file: str, inputs: list[str], outputs: list[str], runtime: Runtime
) -> None:
    """They have the marker lines, COMPONENT_INFO as a literal, and main with keywords."""
    text = (hetida.COMPONENTS / file).read_text(encoding="utf-8")
    main, info = component_of(hetida.COMPONENTS / file)
    assert text.startswith(f'"""Documentation for {info["name"]}\n\n')
    below = text.index("# ***** DO NOT EDIT LINES BELOW *****\n")
    assert (
        below < text.index("COMPONENT_INFO = {") < text.index("    # ***** DO NOT EDIT LINES ABOVE *****\n")
    )
    assert list(info["inputs"]) == inputs == list(inspect.signature(main).parameters)
    assert list(info["outputs"]) == outputs
    assert {one["data_type"] for one in (*info["inputs"].values(), *info["outputs"].values())} <= {
        "STRING",
        "ANY",
    }
    assert str(uuid.UUID(info["id"])) == info["id"] == info["revision_group_id"]
    assert info["state"] == "RELEASED"
    # The ids differ from those of the released components.
    assert info["id"] not in (
        "26d99461-38a9-5e92-df4f-d0fd2752879e",
        "eb8e8d6b-ba7d-dc88-14dc-6839a471d5e0",
    )


def test_nothing_of_it_is_imported_before_it_is_used(tmp_path: Path) -> None:
    """`import safeload` imports no integration, and the runtime's half no web framework."""
    script = (
        "import sys, safeload\n"
        "assert not [name for name in sys.modules if 'integrations' in name]\n"
        "from safeload.integrations import hetida\n"
        "assert 'msgspec' not in sys.modules\n"
        "hetida.harden, hetida.register, hetida.AdapterPolicy\n"
        "heavy = {'fastapi', 'uvicorn', 'starlette', 'hetdesrun', 'numpy', 'joblib', 'skops', 'typer'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)


def test_every_name_of_the_package_is_there() -> None:
    """The lists for type checkers and for run time are the same, and a misspelled name fails as usual."""
    text = Path(hetida.__file__).read_text(encoding="utf-8")
    for name in hetida.__all__:
        assert getattr(hetida, name) is not None
        assert f"import {name} as {name}\n" in text
    assert text.count("    from safeload.integrations.hetida.") == len(hetida.__all__) == len(dir(hetida))
    with pytest.raises(AttributeError, match="hardn"):
        hetida.hardn  # noqa: B018


def test_the_stand_in_tells_errors_apart() -> None:
    """Without the attributes an error has no number, so that the tests above could fail."""
    runtime = Runtime("/nowhere")

    def fails() -> None:
        raise FileNotFoundError("x")

    assert runtime.run(fails)["error"]["error_code"] is None
    assert hetida_standin.hand_on(a=1) == {"a": 1}

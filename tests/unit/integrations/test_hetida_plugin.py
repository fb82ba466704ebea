"""The adapter in the runtime: wirings give objects, and each failure is one of hetida's errors."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from support.hetida_standin import Filtered, Runtime, hand_on, stand_in
from support.processes import PATIENCE

from safeload import HmacKey, Keyring, Store
from safeload.integrations import hetida
from safeload.integrations.hetida import AdapterPolicy, NamespacePolicy, UnknownRuntime, ids
from safeload.integrations.hetida.ids import ROOT, Name, Namespace, Sink, Source

JOB = "0b5f6c0e-6f0f-4f0a-9d0c-2a0f2f0b5d11"


@pytest.fixture
def store(keyring: Keyring, tmp_path: Path) -> Store:
    """Return a store with two versions of a name."""
    made = Store(tmp_path / "store", keyring=keyring, state=tmp_path / "state")
    for tag in ("1", "2"):
        made.dump({"version": tag}, "plant-a/pump", tag)
    return made


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """Make this process act as a runtime."""
    return stand_in(monkeypatch)


def load(runtime: Runtime, *references: Filtered, **given: Any) -> Any:
    """Return what a component is given, or the failure."""
    sources = {f"input_{number}": reference for number, reference in enumerate(references)}
    answer = runtime.run(hand_on, sources=sources, **given)
    if answer["error"]:
        return answer["error"]
    values = answer["output_results_by_output_name"]
    return values["input_0"] if len(references) == 1 else [values[key] for key in sources]


def send(runtime: Runtime, value: Any, reference: Filtered, **given: Any) -> Any:
    """Return the failure, or None."""
    return runtime.run(hand_on, values={"x": value}, sinks={"x": reference}, **given)["error"]


def at(node: ids.Node, key: str | None, **filters: str) -> Filtered:
    """Return the wiring that a click in the tree makes."""
    return Filtered(ref_id=ids.encode(node), ref_key=key, filters=filters)


PUMP = Name("plant-a/pump")


def test_a_version_and_latest_are_loaded_by_node_and_key(store: Store, runtime: Runtime) -> None:
    """A source's id works too, and so do several inputs at once."""
    hetida.register(store)
    assert load(runtime, at(PUMP, "1")) == {"version": "1"}
    assert load(runtime, at(PUMP, "latest"), at(PUMP, "1")) == [{"version": "2"}, {"version": "1"}]
    by_source = Filtered(ids.encode(Source(PUMP.text, "1")), "SOURCE", "1")
    assert load(runtime, by_source) == {"version": "1"}


def test_a_new_version_has_the_time_and_the_job_in_its_tag(store: Store, runtime: Runtime) -> None:
    """An empty filter counts as missing; job and adapter are in the statement."""
    hetida.register(store)
    assert send(runtime, {"version": "3"}, at(PUMP, "new", tag=""), job_id=JOB) is None
    tag = store.latest(PUMP.text)
    assert re.fullmatch(rf"20\d{{6}}T\d{{6}}\.\d{{6}}Z-{JOB}", tag)
    assert store.statement(PUMP.text, tag).metadata == {"hetida": {"adapter": "safeload", "job_id": JOB}}
    assert load(runtime, at(PUMP, "latest")) == {"version": "3"}
    assert send(runtime, 4, Filtered(ids.encode(Sink(PUMP)), "SINK", "new")) is None
    unnamed = store.latest(PUMP.text)
    assert re.fullmatch(r"20\d{6}T\d{6}\.\d{6}Z-[0-9a-f]{16}", unnamed)
    assert store.statement(PUMP.text, unnamed).metadata == {"hetida": {"adapter": "safeload"}}


def test_new_names_go_into_a_namespace_or_to_the_root(store: Store, runtime: Runtime) -> None:
    """The filter ``name`` gives the name."""
    hetida.register(store, "models")
    given = {"adapter_key": "models"}
    assert send(runtime, 1, at(Namespace("plant-a"), "new", name="fan ü", tag="v1"), **given) is None
    assert send(runtime, 2, at(ROOT, "new", name="churn", tag="v1"), **given) is None
    assert store.load("plant-a/fan ü", "v1") == 1
    assert store.load("churn", "v1") == 2
    assert store.statement("churn", "v1").metadata["hetida"] == {"adapter": "models"}


INVALID = [
    (at(PUMP, "3"), 131, "NotFound"),
    (at(Name("nobody"), "latest"), 131, "NotFound"),
    (at(PUMP, "LATEST"), 134, "InvalidName"),
    (at(PUMP, ""), 134, "InvalidName"),
    (at(PUMP, "a\0b"), 134, "InvalidName"),
    (at(PUMP, None), 181, "WiringError"),
    (at(Namespace("plant-a"), "latest"), 181, "WiringError"),
    (at(PUMP, "1", tag="1"), 181, "WiringError"),
    (Filtered("plant-a/pump", "THINGNODE", "1"), 181, "WiringError"),
    (Filtered("plant-a~2fpump", "THINGNODE", "1"), 181, "WiringError"),
    (Filtered("../../etc", "THINGNODE", "passwd"), 181, "WiringError"),
    (Filtered(None, "THINGNODE", "1"), 181, "WiringError"),
    (Filtered(ids.encode(PUMP), "SOURCE", "1"), 181, "WiringError"),
    (Filtered(ids.encode(Source(PUMP.text, "1")), "SOURCE", "2"), 181, "WiringError"),
    (Filtered(ids.encode(Source(PUMP.text, "1")), "THINGNODE", "1"), 181, "WiringError"),
    (Filtered(ids.encode(PUMP), "SINK", "1"), 181, "WiringError"),
    (Filtered(ids.encode(PUMP), None, "1"), 181, "WiringError"),
    (Filtered(ids.encode(PUMP), "THINGNODE", "1", "dataframe"), 181, "WiringError"),
    (Filtered(ids.encode(PUMP), "THINGNODE", "1", None), 181, "WiringError"),
]


@pytest.mark.parametrize(("reference", "code", "name"), INVALID)
def test_what_is_no_source_is_an_invalid_wiring(
    reference: Filtered, code: int, name: str, store: Store, runtime: Runtime
) -> None:
    """Missing, of another type, not canonical, or pointing elsewhere: the error has number and name."""
    hetida.register(store)
    error = load(runtime, reference)
    assert error["type"] == "AdapterClientWiringInvalidError"
    assert f"[safeload {code} {name}]" in error["message"]


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (at(PUMP, "new", tag="1"), 132),  # taken
        (at(PUMP, "new", tag="latest"), 134),
        (at(PUMP, "new", tag="LATEST"), 134),
        (at(PUMP, "new", tag="x" * 201), 134),
        (at(PUMP, "1"), 181),
        (at(PUMP, "new", name="other"), 181),
        (at(ROOT, "new", tag="1"), 181),
        (at(ROOT, "new", name=""), 181),
        (at(ROOT, "new", name="x", tga="1"), 181),
        (at(ROOT, "new", name="a\nb"), 134),
        (at(Namespace("x" * 150), "new", name="y" * 50), 134),
        (Filtered(ids.encode(Sink(PUMP)), "THINGNODE", "new"), 181),
        (Filtered(ids.encode(Source(PUMP.text, "1")), "SOURCE", "new"), 181),
        (Filtered(ids.encode(PUMP), "SINK", "new"), 181),
    ],
)
def test_what_is_no_sink_is_an_invalid_wiring_and_stores_nothing(
    reference: Filtered, code: int, store: Store, runtime: Runtime
) -> None:
    """Nothing is stored even if another output of the execution has a valid sink."""
    hetida.register(store)
    before = {found.tag for found in store.check()}
    good = at(PUMP, "new", tag="good")
    if code == 132:
        error = send(runtime, 1, reference)
    else:
        answer = runtime.run(hand_on, values={"good": 1, "bad": 2}, sinks={"good": good, "bad": reference})
        error = answer["error"]
    assert error["type"] == "AdapterClientWiringInvalidError"
    assert f"[safeload {code} " in error["message"]
    assert {found.tag for found in store.check()} == before


def test_an_object_that_does_not_verify_is_refused(store: Store, runtime: Runtime, tmp_path: Path) -> None:
    """A changed byte and an unknown key each have their number."""
    hetida.register(store)
    folder = tmp_path / "store" / "plant-a%2Fpump"
    artifact = next(folder.glob("1.*.joblib"))
    artifact.write_bytes(artifact.read_bytes()[:-1] + b"!")
    error = load(runtime, at(PUMP, "1"))
    assert error["type"] == "AdapterOutputDataError"
    assert "[safeload 116 DigestMismatch]" in error["message"]
    hetida.register(Store(tmp_path / "store", keyring=HmacKey.generate(), state=tmp_path / "other"))
    assert "[safeload 113 UnknownKey]" in load(runtime, at(PUMP, "2"))["message"]


def test_what_cannot_be_stored_is_refused_and_harms_nothing(store: Store, runtime: Runtime) -> None:
    """An object that cannot be pickled, and one whose pickling raises another error."""
    hetida.register(store)

    class Stubborn:
        def __reduce__(self) -> Any:
            raise RuntimeError("never")

    for value in (threading.Lock(), Stubborn(), lambda: None):
        error = send(runtime, value, at(PUMP, "new", tag="3"))
        assert error["type"] == "AdapterOutputDataError"
        assert "[safeload 1" in error["message"]
    assert load(runtime, at(PUMP, "latest")) == {"version": "2"}
    assert {found.tag for found in store.check()} == {"1", "2"}


def test_keys_and_folders_that_cannot_be_used_are_connection_errors(runtime: Runtime, tmp_path: Path) -> None:
    """None of them is a bare HTTP 500."""
    hetida.register(Store(tmp_path / "store"))
    assert "[safeload 140 NoKeyError]" in load(runtime, at(PUMP, "1"))["message"]
    assert load(runtime, at(PUMP, "1"))["type"] == "AdapterConnectionError"
    (tmp_path / "file").touch()
    for folder, code in (("/proc/no such folder", "131 NotFound"), (tmp_path / "file", "160 StorageError")):
        hetida.register(Store(folder, keyring=HmacKey.generate(), state=tmp_path / "state"))
        error = send(runtime, 1, at(PUMP, "new"))
        assert error["type"] == "AdapterConnectionError"
        assert f"[safeload {code}]" in error["message"]


def test_an_unexpected_failure_is_a_clean_failure_too(
    store: Store, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message, which may contain anything, is only logged."""

    def breaks(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("what the payload says")

    hetida.register(store)
    monkeypatch.setattr(Store, "load", breaks)
    error = load(runtime, at(PUMP, "1"))
    assert error["type"] == "AdapterOutputDataError"
    assert "[safeload 199 ZeroDivisionError]" in error["message"]
    assert "payload" not in error["message"]


def test_the_policy_of_a_namespace_holds_in_the_runtime_too(
    store: Store, runtime: Runtime, tmp_path: Path
) -> None:
    """A wiring comes from the caller of the API and not from the web service."""
    policy = AdapterPolicy(
        default=NamespacePolicy(loadable=True),
        namespaces={
            "plant-a": NamespacePolicy(storable=True),
            "plant-b": NamespacePolicy(loadable=True, storable=True, formats=("pickle",)),
        },
    )
    hetida.register(store, policy=policy)
    error = load(runtime, at(PUMP, "1"))
    assert error["type"] == "AdapterOutputDataError"
    assert "[safeload 120 PolicyError]" in error["message"]
    assert send(runtime, 1, at(PUMP, "new", tag="3")) is None
    assert "[safeload 120 " in send(runtime, 1, at(ROOT, "new", name="churn"))["message"]
    # The filter points into another namespace, whose policy applies.
    assert send(runtime, 1, at(ROOT, "new", name="plant-a/fan")) is None
    assert send(runtime, "x", at(Namespace("plant-b"), "new", name="fan", tag="1")) is None
    assert store.statement("plant-b/fan", "1").format == "pickle"
    assert load(runtime, at(Name("plant-b/fan"), "1")) == "x"
    store.dump("y", "plant-b/fan", "2")
    assert "[safeload 122 FormatNotAllowed]" in load(runtime, at(Name("plant-b/fan"), "2"))["message"]


def test_a_policy_that_cannot_be_read_closes(store: Store, runtime: Runtime, tmp_path: Path) -> None:
    """Each call reads it: while it is invalid, nothing is loaded or stored."""
    path = tmp_path / "hetida.toml"
    hetida.register(store, policy=path)
    right = "[default]\nloadable = true\nstorable = true\n"
    for text, opens in ((right, True), ("[default]\nloadable = 1", False), ("", False), (right, True)):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        loaded = load(runtime, at(PUMP, "1"))
        assert (loaded == {"version": "1"}) is opens
        assert (send(runtime, 1, at(PUMP, "new")) is None) is opens
    path.unlink()
    assert "[safeload 141 KeyringError]" in load(runtime, at(PUMP, "1"))["message"]


def test_the_event_loop_goes_on_while_an_object_is_loaded(
    store: Store, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two executions can be within a load at the same time."""
    meeting = threading.Barrier(2, timeout=PATIENCE)
    original = Store.load

    def slow(self: Store, *arguments: Any, **options: Any) -> Any:
        meeting.wait()
        return original(self, *arguments, **options)

    monkeypatch.setattr(Store, "load", slow)
    hetida.register(store)

    async def both() -> list[dict[str, Any]]:
        one = runtime.execute(hand_on, sources={"x": at(PUMP, "1")})
        other = runtime.execute(hand_on, sources={"x": at(PUMP, "2")})
        return await asyncio.gather(one, other)

    assert [answer["result"] for answer in asyncio.run(both())] == ["ok", "ok"]


def test_what_is_registered_is_what_the_runtime_awaits(store: Store, runtime: Runtime) -> None:
    """Both are coroutine functions that accept no wirings, and the three classes are unrelated."""
    hetida.register(store)
    function, classes = runtime.sources["safeload"]
    assert asyncio.iscoroutinefunction(function)
    assert asyncio.iscoroutinefunction(runtime.sinks["safeload"][0])
    assert asyncio.run(function({}, adapter_key="safeload")) == {}
    assert asyncio.run(runtime.sinks["safeload"][0]({}, {}, adapter_key="safeload")) == {}
    for one in classes:
        assert one is not None
        assert [issubclass(one, other) for other in classes if other].count(True) == 1


def test_misuse_and_unknown_runtimes_are_told(
    store: Store, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is registered then."""
    with pytest.raises(TypeError):
        hetida.register("models/")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        hetida.register(store, 1)  # type: ignore[arg-type]
    for key in ("", "a|b", "a,b"):
        with pytest.raises(ValueError, match="adapter_key"):
            hetida.register(store, key)
    adapters = sys.modules["hetdesrun.adapters"]
    monkeypatch.setattr(adapters, "register_sink_adapter", lambda key, function: None)
    with pytest.raises(
        UnknownRuntime, match=r"register_sink_adapter is not a function of \(adapter_key, send_func, "
    ):
        hetida.register(store)
    monkeypatch.setitem(sys.modules, "hetdesrun.adapters", types.ModuleType("hetdesrun.adapters"))
    with pytest.raises(
        UnknownRuntime, match=r"register_source_adapter is not a function of \(adapter_key, load_func, "
    ):
        hetida.register(store)
    assert runtime.sources == runtime.sinks == {}


def test_without_a_runtime_the_functions_are_not_registered(store: Store, tmp_path: Path) -> None:
    """In a process that has no hetdesrun at all."""
    script = (
        "import safeload\nfrom safeload.integrations import hetida\n"
        "try:\n    hetida.register(safeload.Store('x'))\n"
        "except hetida.UnknownRuntime as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "hetdesrun_config.py" in ran.stdout

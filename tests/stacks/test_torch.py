"""torch: state dicts come back exactly; what is more than tensors is refused, signed or not."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from support import attacks, forgery, processes

import safeload
from safeload import HmacKey, Limits, Policy
from safeload.formats.tensors import torch_tensors

NAN = float("nan")


def through(obj: Any, key: HmacKey, **options: Any) -> Any:
    artifact, sidecar = safeload.dumps(obj, format="torch", name="x", signer=key)
    return safeload.loads(artifact, sidecar, name="x", keyring=key, **options)


def sidecar_of(artifact: bytes, key: HmacKey, name: str = "x") -> bytes:
    """Return the sidecar of a signer who signs whatever there is."""
    return forgery.sidecar_of(forgery.payload_of(artifact, name, format="torch"), key)


def small_model() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 1)
    )


def test_a_state_dict_makes_the_same_model(key: HmacKey) -> None:
    """With equal outputs, and the versions that PyTorch hangs on the dict."""
    model, other = small_model(), small_model()
    loaded = through(model.state_dict(), key)
    assert type(loaded) is OrderedDict
    assert loaded._metadata == model.state_dict()._metadata
    other.load_state_dict(loaded)
    data = torch.randn(5, 3)
    assert torch.equal(model.eval()(data), other.eval()(data))


def test_a_checkpoint_with_an_optimizer_goes_on_as_before(key: HmacKey) -> None:
    """Model, optimizer, epoch and settings in one dict, as checkpoints are written."""
    model = small_model()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "lr": (1e-3, None),
    }
    loaded = through(checkpoint, key)
    assert torch_tensors.difference(checkpoint, loaded) is None
    assert list(loaded) == ["model", "optimizer", "epoch", "lr"]
    torch.optim.Adam(small_model().parameters()).load_state_dict(loaded["optimizer"])


TENSORS = {
    "NaN and both zeros": torch.tensor([NAN, 0.0, -0.0, float("inf")]),
    "a single value": torch.tensor(7),
    "nothing": torch.empty(0, 3),
    "bfloat16": torch.randn(3).to(torch.bfloat16),
    "half": torch.randn(3).half(),
    "booleans": torch.tensor([True, False]),
    "complex": torch.randn(2, dtype=torch.complex64),
    "conjugate": torch.randn(2, dtype=torch.complex64).conj(),
    "bytes": torch.arange(256, dtype=torch.uint8),
    "every other": torch.arange(10)[::2],
    "transposed": torch.randn(2, 3).T,
    "a parameter": torch.nn.Parameter(torch.ones(2)),
    "float8": torch.randn(4).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_a_tensor_comes_back_to_the_bit(tensor: torch.Tensor, key: HmacKey) -> None:
    """With type and shape."""
    loaded = through([tensor], key)[0]
    assert type(loaded) is type(tensor)
    assert (loaded.dtype, loaded.shape) == (tensor.dtype, tensor.shape)
    assert torch_tensors.difference(tensor, loaded) is None


def test_tensors_that_share_memory_share_it_again(key: HmacKey) -> None:
    """As tied weights do."""
    shared = torch.zeros(4)
    loaded = through({"a": shared, "b": shared[1:3]}, key)
    loaded["a"][1] = 5.0
    assert loaded["b"].tolist() == [5.0, 0.0]


@pytest.mark.parametrize(
    ("left", "right", "where"),
    [
        ({"a": torch.zeros(1)}, {"a": -torch.zeros(1)}, "['a']"),
        ({"a": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.float64)}, "['a']"),
        ({"a": [torch.zeros(2)]}, {"a": [torch.zeros(2, 1)]}, "['a'][0]"),
        ([1], [True], "[0]"),
        ((1, 2), (1,), "the whole"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "the keys of the whole [0]"),
        (torch.nn.Parameter(torch.zeros(1)), torch.zeros(1), "the whole"),
    ],
)
def test_a_difference_is_found(left: Any, right: Any, where: str) -> None:
    """With its place; else nothing above would mean anything."""
    assert torch_tensors.difference(left, right) == where
    assert torch_tensors.difference(left, left) is None


class Own:
    """Not a tensor."""


class Subclass(torch.Tensor):
    """A tensor of a class of its own."""


def with_versions(versions: Any) -> OrderedDict[str, Any]:
    """Return a state dict with something else where PyTorch hangs versions."""
    state = torch.nn.Linear(1, 1).state_dict()
    state._metadata = versions
    return state


def with_attribute(tensor: torch.Tensor) -> torch.Tensor:
    tensor.unit = "m"
    return tensor


@pytest.mark.parametrize(
    ("obj", "where"),
    [
        (small_model(), "state_dict"),
        ({"model": small_model()}, "['model']"),
        ({"a": [Own()]}, "['a'][0]"),
        ({"a": {1, 2}}, "not a set at ['a']"),
        ([torch.ones(2).to_sparse()], "[0]"),
        ([torch.empty(2, device="meta")], "[0]"),
        ({Own(): 1}, "key"),
        ({"a": with_versions({"": {"version": 1, "of": print}})}, "['a']._metadata"),
        ([with_versions(torch.nn.Linear(1, 1))], "[0]._metadata"),
        ([with_attribute(torch.ones(1))], "additional attributes (unit) at [0]"),
        ({"a": torch.tensor([2], dtype=torch.uint8).view(torch.bool).as_subclass(Subclass)}, "['a']"),
    ],
)
def test_what_is_more_than_tensors_is_refused_when_it_is_written(obj: Any, where: str, key: HmacKey) -> None:
    """With the place, and for a module what to store instead."""
    with pytest.raises(safeload.SerializationError) as caught:
        safeload.dumps(obj, format="torch", name="x", signer=key)
    assert where in str(caught.value)


def test_what_does_not_come_back_is_an_error_of_writing(
    key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where reading it back is what fails."""

    def fails(*_: Any, **__: Any) -> Any:
        raise pickle.UnpicklingError("no")

    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(safeload.SerializationError, match="plain containers"):
        safeload.dumps([1], format="torch", name="x", signer=key)


SECRET = b"the rest of the batch " * 100


def batch() -> torch.Tensor:
    return torch.frombuffer(bytearray(SECRET), dtype=torch.uint8)


PARTS = {
    "the first": lambda whole: whole[:1],
    "one in the middle": lambda whole: whole[50],
    "none": lambda whole: whole[:0],
    "every hundredth": lambda whole: whole[::100],
    "one, a million times": lambda whole: whole[:1].expand(1_000_000),
    "a window": lambda whole: whole.as_strided((3, 2), (1, 1), 7),
    "a parameter": lambda whole: torch.nn.Parameter(whole.view(torch.float32)[1:2], requires_grad=False),
    "one that learns": lambda whole: whole.view(torch.float32)[1:2].clone().repeat(600)[:1].requires_grad_(),
    "a conjugate": lambda whole: whole[:2000].view(torch.complex64)[:1].conj(),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_what_a_view_does_not_show_is_not_written(part: Any, key: HmacKey) -> None:
    """torch.save itself writes the whole memory that a tensor is a part of."""
    tensor = part(batch())
    obj = {"a": [tensor], "again": tensor}
    artifact, sidecar = safeload.dumps(obj, format="torch", name="x", signer=key)
    assert b"batch" not in artifact
    loaded = safeload.loads(artifact, sidecar, name="x", keyring=key)
    assert torch_tensors.difference(obj, loaded) is None
    assert loaded["a"][0] is loaded["again"]
    assert loaded["again"].requires_grad == tensor.requires_grad
    # What was given is as it was.
    assert tensor.untyped_storage().nbytes() >= len(SECRET)


def test_the_rest_of_shared_memory_is_written_as_zeros(key: HmacKey) -> None:
    """Sharing is kept, of overlapping views and of conjugates too; what none of them shows is not."""
    whole = batch()
    obj = OrderedDict(
        a=whole[10:13], b=(whole[12:15], 1), c=whole[::300], d=torch.nn.Parameter(torch.ones(2))
    )
    obj._metadata = {"": {"version": 1}}
    artifact, sidecar = safeload.dumps(obj, format="torch", name="x", signer=key)
    assert b"batch" not in artifact
    loaded = safeload.loads(artifact, sidecar, name="x", keyring=key)
    assert torch_tensors.difference(obj, loaded) is None
    loaded["a"][2] = 99
    assert loaded["b"][0][0] == 99
    numbers = torch.view_as_complex(torch.arange(16.0).reshape(8, 2))
    pair = through([numbers[:2], numbers[:2].conj()], key)
    assert torch_tensors.difference([numbers[:2], numbers[:2].conj()], pair) is None
    pair[0][1] = 5 + 6j
    assert pair[1][1] == 5 - 6j


def test_memory_of_two_owners_is_refused(key: HmacKey) -> None:
    """PyTorch does not know that it is one, and would make two of it."""
    shared = bytearray(8)
    pair = [torch.frombuffer(shared, dtype=torch.uint8) for _ in range(2)]
    with pytest.raises(safeload.SerializationError, match="share memory"):
        through(pair, key)


def test_memory_that_is_all_shown_is_not_copied(key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one tensor, or by several between them."""
    whole = torch.arange(10)
    monkeypatch.setattr("copy.deepcopy", None)
    halves, steps = [whole[:4], whole[4:]], [whole[::2], whole[1::2]]
    for obj in ([whole, whole[2:4]], halves, steps, [whole.reshape(2, 5).T]):
        assert torch_tensors.difference(obj, through(obj, key)) is None


def with_pickle(artifact: bytes, payload: bytes) -> bytes:
    """Return an archive with another pickle in it."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(artifact)) as old, zipfile.ZipFile(changed, "w") as new:
        for member in old.infolist():
            data = payload if member.filename.endswith("data.pkl") else old.read(member)
            new.writestr(member.filename, data)
    return changed.getvalue()


@pytest.mark.parametrize("switch", [None, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
def test_a_pickle_that_runs_code_is_refused_though_it_is_signed(
    switch: str | None, tmp_path: Path, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs; PyTorch's variable for loading unsafely changes nothing."""
    if switch:
        monkeypatch.setenv(switch, "1")
    marker, path = tmp_path / "marker", tmp_path / "x"
    saved = io.BytesIO()
    torch.save({"a": torch.ones(2)}, saved)
    artifact = with_pickle(saved.getvalue(), attacks.marker_pickle(marker))
    path.write_bytes(artifact)
    path.with_name("x.sig").write_bytes(sidecar_of(artifact, key))
    assert processes.run("loading", "load", path, key=key) == "DeserializationError"
    assert not marker.exists()


def test_no_message_says_how_to_load_it_unsafely(key: HmacKey) -> None:
    """PyTorch's own does."""
    saved = io.BytesIO()
    torch.save({"a": Own()}, saved)
    with pytest.raises(safeload.DeserializationError) as caught:
        safeload.loads(saved.getvalue(), sidecar_of(saved.getvalue(), key), name="x", keyring=key)
    assert "weights_only" not in str(caught.value)


def test_what_is_no_archive_of_a_state_is_not_signed(tmp_path: Path, key: HmacKey) -> None:
    """The old form without ZIP, TorchScript, and archives with no or two pickles."""
    old, script = io.BytesIO(), io.BytesIO()
    torch.save({"a": 1}, old, _use_new_zipfile_serialization=False)
    script_members = {"m/data.pkl": b"", "m/constants.pkl": b"", "m/code/m.py": b""}
    with zipfile.ZipFile(script, "w") as archive:
        for name, data in script_members.items():
            archive.writestr(name, data)
    path = tmp_path / "x.pt"
    for data, error in (
        (old.getvalue(), safeload.FormatNotAllowed),
        (script.getvalue(), safeload.FormatNotAllowed),
        (archive_of("m/version"), safeload.MalformedError),
        (archive_of("m/data.pkl", "n/data.pkl"), safeload.MalformedError),
        (archive_of("m/data.pkl", "m/../../data"), safeload.MalformedError),
        (b"PK\x03\x04", safeload.MalformedError),
        (b"", safeload.FormatNotAllowed),
    ):
        path.write_bytes(data)
        with pytest.raises(error):
            safeload.sign(path, format="torch", signer=key)
        with pytest.raises(error):
            safeload.loads(data, sidecar_of(data, key), name="x", keyring=key)


def archive_of(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return file.getvalue()


def test_a_file_by_torch_is_signed_and_loaded(tmp_path: Path, key: HmacKey) -> None:
    """As others have written it."""
    path = tmp_path / "x.pt"
    torch.save({"a": torch.arange(5)}, path)
    safeload.sign(path, format="torch", signer=key)
    assert safeload.load(path, keyring=key)["a"].tolist() == [0, 1, 2, 3, 4]


def test_any_change_is_refused(key: HmacKey) -> None:
    """By the signature; and signed by mistake, only with errors of safeload's."""
    artifact, sidecar = safeload.dumps({"a": torch.arange(5.0)}, format="torch", name="x", signer=key)
    for place in range(0, len(artifact), 13):
        flipped = artifact[:place] + bytes([artifact[place] ^ 1]) + artifact[place + 1 :]
        for changed in (flipped, artifact[:place]):
            with pytest.raises(safeload.DigestMismatch):
                safeload.loads(changed, sidecar, name="x", keyring=key)
            try:
                safeload.loads(changed, sidecar_of(changed, key), name="x", keyring=key)
            except safeload.SafeloadError:
                continue
            assert changed is flipped, "a truncated file was loaded"


def test_options(key: HmacKey) -> None:
    """A place to load to is one; loading unsafely is none, and the message says why."""
    assert through([torch.ones(2)], key, map_location="meta")[0].device.type == "meta"
    with pytest.raises(TypeError, match="always loads tensors only"):
        through([torch.ones(2)], key, weights_only=False)
    with pytest.raises(TypeError, match="pickle_module"):
        through([torch.ones(2)], key, pickle_module=None)
    with pytest.raises(TypeError, match="protocol"):
        safeload.dumps([1], format="torch", name="x", signer=key, protocol=2)


@pytest.mark.parametrize(
    "limits",
    [{"members": 2}, {"decompressed_bytes": 100}, {"schema_bytes": 10}],
    ids=lambda limits: next(iter(limits)),
)
def test_limits_hold(limits: dict[str, int], key: HmacKey) -> None:
    """On members, on what they decompress to, and on the pickle."""
    artifact, sidecar = safeload.dumps({"a": torch.ones(100)}, format="torch", name="x", signer=key)
    policy = Policy(limits=Limits(**limits))
    with pytest.raises(safeload.LimitExceeded):
        safeload.loads(artifact, sidecar, name="x", keyring=key, policy=policy)


def as_safetensors(obj: Any, key: HmacKey, **options: Any) -> Any:
    pytest.importorskip("safetensors")
    artifact, sidecar = safeload.dumps(obj, format="safetensors", name="x", signer=key)
    return safeload.loads(artifact, sidecar, name="x", keyring=key, **options)


@pytest.mark.parametrize("name", [name for name in TENSORS if name != "a parameter"])
def test_safetensors_keeps_a_tensor_to_the_bit(name: str, key: HmacKey) -> None:
    """Lazy conjugates and views with steps are written as the values that they stand for."""
    loaded = as_safetensors({"a": TENSORS[name]}, key)
    assert type(loaded["a"]) is torch.Tensor
    assert torch_tensors.difference({"a": TENSORS[name]}, loaded) is None


def test_safetensors_writes_lazy_values_as_they_are(key: HmacKey) -> None:
    """Conjugated and negated tensors have the memory of what they were made of."""
    numbers = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64).conj()
    assert as_safetensors({"a": numbers}, key)["a"].tolist() == [1 - 2j, 3 + 4j]
    assert as_safetensors({"a": numbers.imag}, key)["a"].tolist() == [-2, 4]


def test_safetensors_takes_a_state_dict_and_columns_of_one_matrix(key: HmacKey) -> None:
    """Parts of one memory that do not overlap are parts of none afterwards, and nothing can tell."""
    state = small_model().state_dict()
    matrix = torch.arange(12).reshape(3, 4)
    for obj in (state, {"b": matrix[:, :2], "a": matrix[:, 2:]}, {"a": matrix[:0], "b": matrix[:0]}):
        loaded = as_safetensors(obj, key)
        assert type(loaded) is dict
        assert loaded.keys() == obj.keys()
        assert all(torch_tensors.difference(obj[name], loaded[name]) is None for name in obj)


WHOLE = torch.arange(12.0).reshape(3, 4)
NOT_KEPT = {
    "a parameter": ({"a": torch.nn.Parameter(torch.ones(2))}, "state_dict"),
    "a dict of its own class": (Counter(a=torch.ones(2)), "Counter"),
    "a subclass": ({"a": torch.ones(2).as_subclass(Subclass)}, "Subclass"),
    "one that learns": ({"a": torch.ones(2, requires_grad=True)}, "gradient"),
    "an attribute": ({"a": with_attribute(torch.ones(2))}, "unit"),
    "sparse": ({"a": torch.ones(2).to_sparse()}, "dense"),
    "without values": ({"a": torch.ones(2, device="meta")}, "dense"),
    "one memory twice": ({"a": WHOLE, "b": WHOLE}, "share"),
    "one memory twice, transposed": ({"a": WHOLE, "b": WHOLE.T}, "share"),
    "one memory in part": ({"a": WHOLE[:2], "b": WHOLE[1:]}, "share"),
    "truth that is neither 0 nor 1": (
        {"a": torch.tensor([2], dtype=torch.uint8).view(torch.bool)},
        "neither 0 nor 1",
    ),
    "a type that the format lacks": ({"a": torch.ones(1, dtype=torch.complex128)}, "complex128"),
}


@pytest.mark.parametrize(("obj", "what"), NOT_KEPT.values(), ids=NOT_KEPT)
def test_safetensors_refuses_what_would_come_back_otherwise(obj: Any, what: str, key: HmacKey) -> None:
    """With the reason."""
    with pytest.raises(safeload.SerializationError) as caught:
        as_safetensors(obj, key)
    assert what in str(caught.value)

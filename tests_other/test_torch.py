"""torch: state dicts come back exactly; what is more than tensors is refused, signed or not."""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from support import attacks, forgery, processes

import safeload
from safeload import HmacKey, Limits, Policy
from safeload.formats import tensors

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
    assert tensors.difference(checkpoint, loaded) is None
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
    assert tensors.difference(tensor, loaded) is None


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
    assert tensors.difference(left, right) == where
    assert tensors.difference(left, left) is None


class Own:
    """Not a tensor."""


@pytest.mark.parametrize(
    ("obj", "where"),
    [
        (small_model(), "state_dict"),
        ({"model": small_model()}, "['model']"),
        ({"a": [Own()]}, "['a'][0]"),
        ({"a": {1, 2}}, "no set at ['a']"),
        ([torch.ones(2).to_sparse()], "[0]"),
        ([torch.empty(2, device="meta")], "[0]"),
        ({Own(): 1}, "key"),
    ],
)
def test_what_is_more_than_tensors_is_refused_when_it_is_written(obj: Any, where: str, key: HmacKey) -> None:
    """With the place, and for a module what to store instead."""
    with pytest.raises(safeload.SerializationError) as caught:
        safeload.dumps(obj, format="torch", name="x", signer=key)
    assert where in str(caught.value)


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
    """On members, on what they unfold to, and on the pickle."""
    artifact, sidecar = safeload.dumps({"a": torch.ones(100)}, format="torch", name="x", signer=key)
    policy = Policy(limits=Limits(**limits))
    with pytest.raises(safeload.LimitExceeded):
        safeload.loads(artifact, sidecar, name="x", keyring=key, policy=policy)

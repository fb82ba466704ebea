"""Weights in other files: taken from what was signed, and never from the folder that the process is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from support import onnx_models as models

import safeload
from safeload import FormatNotAllowed, HmacKey, Limits, MalformedError, SerializationError, formats
from safeload.formats.onnx import onnx_format

FILES = {"w.bin": models.weights(1)}


@pytest.fixture(autouse=True)
def _planted(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put another file of the same name into the folder that the process is in."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "w.bin").write_bytes(models.weights(666))
    monkeypatch.chdir(folder)


def listed(model: onnx.ModelProto) -> tuple[str, ...]:
    """Return the files that a model refers to."""
    return formats.files_of("onnx", model.SerializeToString(), Limits(), where="m")


def test_the_runtime_alone_reads_what_lies_in_the_current_folder() -> None:
    """What the tests below guard against is real: onnxruntime adds the planted weight."""
    import onnxruntime

    data = models.branching(models.elsewhere()).SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert models.answer(session) == 666


@pytest.mark.parametrize("small", [1 << 16, 0])
def test_a_planted_file_is_not_read(small: int, key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session adds the signed weight, be it put into the model or given to the runtime beside it."""
    monkeypatch.setattr(onnx_format, "_SMALL_BYTES", small)
    assert models.answer(models.signed(models.adding(models.elsewhere()), key, FILES)) == 1


@pytest.mark.parametrize("location", ["w.bin", "weights/w.bin", "gewichte ä/w 1.bin", "a/b/c/d"])
def test_locations_below_the_model_are_admitted(
    location: str, key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any relative path is, whatever the letters."""
    model = models.adding(models.elsewhere(location))
    assert listed(model) == (location,)
    for small in (1 << 16, 0):
        monkeypatch.setattr(onnx_format, "_SMALL_BYTES", small)
        assert models.answer(models.signed(model, key, {location: models.weights(7)})) == 7


@pytest.mark.parametrize("small", [1 << 16, 0])
def test_several_weights_in_several_files(small: int, key: HmacKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is taken from its own place; the files are listed once, in order."""
    monkeypatch.setattr(onnx_format, "_SMALL_BYTES", small)
    model = models.adding(models.elsewhere("b.bin", offset="16"))
    model.graph.initializer.append(models.elsewhere("a.bin", "v"))
    model.graph.initializer.append(models.elsewhere("b.bin", "u", offset="0"))
    model.graph.node[0].output[0] = "s"
    model.graph.node.append(onnx.helper.make_node("Add", ["s", "v"], ["t"]))
    model.graph.node.append(onnx.helper.make_node("Add", ["t", "u"], ["y"]))
    assert listed(model) == ("a.bin", "b.bin")
    files = {"b.bin": models.weights(10) + models.weights(200), "a.bin": models.weights(3000)}
    assert models.answer(models.signed(model, key, files)) == 3210


def test_as_model_all_data_are_in_it(key: HmacKey) -> None:
    """What the model was made of is not asked for again."""
    model = models.adding(models.elsewhere(offset="16"))
    files = {"w.bin": models.weights(2) + models.weights(5)}
    whole = models.signed(model, key, files, as_="model")
    assert whole == models.adding(TensorProto(name="w", data_type=1, dims=[4], raw_data=models.weights(5)))
    assert models.answer(models.signed(whole, key)) == 5


def test_bytes_that_name_other_files_are_not_handed_out(key: HmacKey) -> None:
    """Whoever reads them next would take these files from the folder that it happens to be in."""
    with pytest.raises(FormatNotAllowed, match="its bytes alone are incomplete") as caught:
        models.signed(models.adding(models.elsewhere()), key, FILES, as_="bytes")
    assert 'as_="model"' in str(caught.value)


SHAPED = [
    ("Reshape", ["x", "s"], [2, 2]),
    ("Expand", ["x", "s"], [1, 4]),
    ("Tile", ["x", "s"], [2]),
    ("Slice", ["x", "zero", "s"], [2]),
    ("Unsqueeze", ["x", "s"], [0]),
    ("ReduceSum", ["x", "s"], [0]),
    ("Pad", ["x", "s"], [1, 1]),
]


@pytest.mark.parametrize(("kind", "inputs", "numbers"), SHAPED, ids=[kind for kind, _, _ in SHAPED])
def test_shapes_may_lie_in_other_files(
    kind: str, inputs: list[str], numbers: list[int], key: HmacKey, tmp_path: Path
) -> None:
    """The runtime infers shapes before it has the files; the planted one is not asked either."""
    (Path.cwd() / "w.bin").write_bytes(np.full(len(numbers), 7).tobytes())
    values = np.array(numbers, "<i8")
    tensor = TensorProto(
        name="s", data_type=TensorProto.INT64, dims=[len(values)], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="w.bin")
    zero = onnx.numpy_helper.from_array(np.zeros(1, "i8"), "zero")
    model = models.model_of([onnx.helper.make_node(kind, inputs, ["y"])], [tensor, zero])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    session = models.signed(model, key, {"w.bin": values.tobytes()})
    whole = models.signed(model, key, {"w.bin": values.tobytes()}, as_="model")
    feed = {"x": np.arange(4, dtype="f4")}
    again = models.signed(whole, key).run(None, feed)[0]
    assert np.array_equal(session.run(None, feed)[0], again)
    assert again.size


def test_an_onnxruntime_that_opens_files_itself_is_refused(
    key: HmacKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 1.24 it cannot be given them; a model that is one file needs none."""
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    assert models.answer(models.signed(models.adding(models.here(3)), key)) == 3
    monkeypatch.setattr(onnx_format, "_SMALL_BYTES", 0)
    with pytest.raises(FormatNotAllowed, match=r"onnxruntime 1\.23\.2"):
        models.signed(models.adding(models.elsewhere()), key, FILES)


def test_a_shape_of_very_many_extents_is_refused(key: HmacKey) -> None:
    """Their product would take minutes."""
    tensor = models.elsewhere()
    tensor.dims.extend([1 << 62] * 300_000)
    with pytest.raises(MalformedError, match="shape"):
        models.signed(models.adding(tensor), key, FILES)


@pytest.mark.parametrize("files", [{}, {"v.bin": models.weights(1)}, {**FILES, "v.bin": b"1"}])
def test_the_signed_files_are_exactly_those_it_refers_to(files: dict[str, bytes], key: HmacKey) -> None:
    """None is missing and none is left over."""
    for form in ("session", "model", "bytes"):
        with pytest.raises(MalformedError, match="not those that hold its external data"):
            models.signed(models.adding(models.elsewhere()), key, files, as_=form)


def test_a_model_without_external_data_has_no_files(key: HmacKey) -> None:
    """Signed together with a file that it does not need, it is refused."""
    with pytest.raises(MalformedError):
        models.signed(models.adding(models.here(1)), key, FILES)


@pytest.mark.parametrize("build", [models.branching, models.constant, models.sparse, models.in_function])
@pytest.mark.parametrize("files", [{}, FILES])
def test_external_data_are_for_initializers_of_the_main_graph(
    build: Any, files: dict[str, bytes], key: HmacKey
) -> None:
    """Of branches, sparse tensors and the like the runtime would open the file itself."""
    model = build(models.elsewhere())
    with pytest.raises(MalformedError, match="main graph only"):
        models.signed(model, key, files)
    with pytest.raises(MalformedError, match="main graph only"):
        listed(model)


def test_external_data_in_training_are_refused(key: HmacKey) -> None:
    """Whether it is used or not."""
    with pytest.raises(MalformedError, match="main graph only"):
        models.signed(models.in_training(models.elsewhere()), key, FILES)


def test_external_indices_of_a_sparse_tensor_are_refused(key: HmacKey) -> None:
    """A sparse tensor is two tensors."""
    model = models.sparse(models.here(1))
    model.graph.sparse_initializer[0].indices.CopyFrom(models.elsewhere())
    with pytest.raises(MalformedError, match="main graph only"):
        models.signed(model, key, FILES)


def twice(key: str, value: str) -> onnx.ModelProto:
    """Return a model with a second entry of the same key."""
    tensor = models.elsewhere()
    entry = tensor.external_data.add()
    entry.key, entry.value = key, value
    return models.adding(tensor)


def with_data() -> onnx.ModelProto:
    """Return a model whose weight lies in the model and in another file."""
    tensor = models.elsewhere()
    tensor.raw_data = models.weights(4)
    return models.adding(tensor)


def said_to_be_here() -> onnx.ModelProto:
    """Return a model that names a file and says that the weight does not lie there."""
    tensor = models.here(4)
    tensor.external_data.add(key="location", value="w.bin")
    return models.adding(tensor)


def of_texts() -> onnx.ModelProto:
    """Return a model whose external weight is of texts, which have no fixed size."""
    tensor = models.elsewhere()
    tensor.data_type = TensorProto.STRING
    return models.adding(tensor)


def negative() -> onnx.ModelProto:
    """Return a model whose external weight has a negative extent."""
    tensor = models.elsewhere()
    tensor.dims[0] = -4
    return models.adding(tensor)


@pytest.mark.parametrize(
    "model",
    [
        twice("location", "v.bin"),
        twice("location", "w.bin"),
        twice("offset", "0"),
        twice("basepath", "/tmp"),
        twice("prepacked_0", "w|0|16"),
        twice("", ""),
        with_data(),
        said_to_be_here(),
        of_texts(),
        negative(),
        models.adding(TensorProto(name="w", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)),
        models.adding(TensorProto(name="w", data_type=99, dims=[4], data_location=TensorProto.EXTERNAL)),
        *(
            models.adding(models.elsewhere(offset=text))
            for text in ("-4", "+0", " 0", "00", "0x0", "1e0", "", "٣")
        ),
        *(models.adding(models.elsewhere(length=text)) for text in ("-1", "16 ", "016", "8", "17", "9" * 30)),
        models.adding(models.elsewhere(offset="9" * 18)),
    ],
)
def test_what_readers_understand_in_different_ways_is_refused(model: onnx.ModelProto, key: HmacKey) -> None:
    """One reader takes the first entry, another the last; one reads to the end, another by the shape."""
    with pytest.raises(MalformedError):
        models.signed(model, key, FILES)


@pytest.mark.parametrize(("offset", "size"), [("0", 15), ("1", 16), ("16", 31), ("4096", 16)])
def test_external_data_end_within_their_file(offset: str, size: int, key: HmacKey) -> None:
    """A file that is too short is refused before the runtime sees it."""
    model = models.adding(models.elsewhere(offset=offset))
    for form in ("session", "model", "bytes"):
        with pytest.raises(MalformedError, match="beyond the end"):
            models.signed(model, key, {"w.bin": bytes(size)}, as_=form)


@pytest.mark.parametrize(
    ("kind", "size"), [(TensorProto.INT4, 3), (TensorProto.BFLOAT16, 10), (TensorProto.BOOL, 5)]
)
def test_the_size_of_narrow_types_is_known(kind: int, size: int, key: HmacKey) -> None:
    """Five numbers of four bits are three bytes."""
    tensor = TensorProto(name="v", data_type=kind, dims=[5], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="v.bin")
    model = models.adding(models.here(1))
    model.graph.initializer.append(tensor)
    loaded = models.signed(model, key, {"v.bin": bytes(range(size))}, as_="model")
    assert loaded.graph.initializer[1].raw_data == bytes(range(size))
    with pytest.raises(MalformedError, match="beyond the end"):
        models.signed(model, key, {"v.bin": bytes(size - 1)})


def test_checksums_are_no_matter(key: HmacKey) -> None:
    """The signed digest says more than the SHA-1 that an exporter may have written."""
    model = models.adding(models.elsewhere(checksum="da39a3ee5e6b4b0d3255bfef95601890afd80709"))
    assert models.answer(models.signed(model, key, FILES)) == 1


@pytest.mark.parametrize("build", [models.adding, models.branching, models.constant])
def test_unsigned_models_refer_to_no_files(build: Any) -> None:
    """Even if it lies there."""
    with pytest.raises((FormatNotAllowed, MalformedError), match=r"not refer to other files|main graph only"):
        models.unsigned(build(models.elsewhere()))


def test_dumping_a_path_takes_the_data_in(key: HmacKey, tmp_path: Path) -> None:
    """The artifact is one file, and says so."""
    path = models.write(models.adding(models.elsewhere()), tmp_path, FILES)
    signed = safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key)
    assert signed.remarks == ("Its external data were moved into the file.",)
    assert signed.files == ()
    assert models.answer(safeload.load(tmp_path / "one.onnx", keyring=key)) == 1


def test_a_model_in_memory_cannot_bring_external_data(key: HmacKey) -> None:
    """Where its files lie is not known, and the current folder is no place to look."""
    model = models.adding(models.elsewhere())
    for obj in (model, model.SerializeToString()):
        with pytest.raises(SerializationError, match=r"safeload\.sign"):
            safeload.dumps(obj, format="onnx", signer=key)


def test_dumping_a_path_with_folders_says_to_sign_it(key: HmacKey, tmp_path: Path) -> None:
    """Folders in between could be links; such a model is signed where it lies."""
    files = {"below/w.bin": models.weights(1)}
    path = models.write(models.adding(models.elsewhere("below/w.bin")), tmp_path, files)
    with pytest.raises(SerializationError, match=r"safeload\.sign"):
        safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key)


def test_dumping_a_path_without_its_files(key: HmacKey, tmp_path: Path) -> None:
    """A file that is absent or too short is named."""
    path = models.write(models.adding(models.elsewhere()), tmp_path)
    with pytest.raises(safeload.NotFound, match=r"w\.bin"):
        safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key)
    (tmp_path / "w.bin").write_bytes(bytes(3))
    with pytest.raises(MalformedError, match=r"w\.bin"):
        safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key)


def test_data_of_over_two_gibibytes_are_signed_where_they_lie(key: HmacKey, tmp_path: Path) -> None:
    """A protobuf message cannot hold them; the file is sparse and takes no room."""
    tensor = models.elsewhere(length=None)
    path = models.write(models.adding(tensor), tmp_path)
    with (tmp_path / "w.bin").open("wb") as file:
        file.truncate(1 << 31)
    with pytest.raises(SerializationError, match=r"safeload\.sign"):
        safeload.dump(path, tmp_path / "one.onnx", format="onnx", signer=key)


def test_a_signed_file_is_loaded_with_its_data(key: HmacKey, tmp_path: Path) -> None:
    """Signed where it lies, a model is loaded from there, and refused when its data were exchanged."""
    path = models.write(models.adding(models.elsewhere()), tmp_path, FILES)
    signed = safeload.sign(path, format="onnx", signer=key)
    assert [file.path for file in signed.files] == ["w.bin"]
    assert models.answer(safeload.load(path, keyring=key)) == 1
    (tmp_path / "w.bin").write_bytes(np.full(4, 2, "<f4").tobytes())
    with pytest.raises(safeload.DigestMismatch):
        safeload.load(path, keyring=key)

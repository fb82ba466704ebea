"""The format ``onnx``: ONNX models, with their weights inside or in signed files.

The session and its weights are made from verified bytes only: no file is opened during loading, neither
beside the model nor in the current folder. ``model.py`` lists what is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import IO, Any, Literal

from safeload.errors import FormatNotAllowed, LimitExceeded, SerializationError, brief
from safeload.formats import registry
from safeload.formats.base import OptionError, Written
from safeload.formats.onnx import conversion, external_data
from safeload.formats.onnx import model as onnx_model
from safeload.formats.onnx.external_data import External
from safeload.limits import Limits
from safeload.storage.blob import Blob
from safeload.storage.reader import read
from safeload.trust.gate import VerifiedArtifact

_CPU = ("CPUExecutionProvider",)
_FORMS = ("session", "model", "bytes")
_TOLERANCE = 1e-5
# Shapes are stored as tensors too, and the runtime reads these before it is given the files.
_SMALL_BYTES = 1 << 16
_SIGN_HINT = "Sign the file in place, together with the files of its data: safeload.sign(path)."
_SESSION_HINT = "Load it as a session, which reads its data from the files."


class OnnxFormat:
    """See the module."""

    name = "onnx"
    requires: tuple[str, ...] | None = None

    def dump(
        self,
        obj: Any,
        file: IO[bytes],
        *,
        sample: Any = None,
        tolerance: float | None = None,
        target_opset: int | None = None,
    ) -> Written:
        """Write a model.

        `obj` is a model, or the path of an ``.onnx`` file, whose external data are moved into the model; or a
        fitted estimator or Keras model, which is converted: see
        :func:`safeload.formats.onnx.conversion.convert` for the options. The default tolerance is 1e-5.

        SerializationError if it is not a valid model, has external data in an unknown folder, or cannot be
        converted to a model that predicts the same.
        """
        import onnx

        remarks: tuple[str, ...] = ()
        if isinstance(obj, onnx.ModelProto | bytes | bytearray | memoryview | str | os.PathLike):
            _require_none(sample=sample, tolerance=tolerance, target_opset=target_opset)
            data, remarks = _own(obj)
        else:
            converted = conversion.convert(obj, sample, _tolerance(tolerance), _opset(target_opset))
            data, remarks = _serialized(converted.model), (converted.remark,)
        file.write(data)
        return Written(remarks=remarks)

    def load(
        self,
        verified: VerifiedArtifact,
        limits: Limits,
        *,
        as_: Literal["session", "model", "bytes"] = "session",
        providers: Iterable[Any] = _CPU,
    ) -> Any:
        """Make what `as_` asks for: a session, a ``ModelProto`` with all data in it, or a model's bytes.

        Execution providers are for the session. FormatNotAllowed if bytes are requested of a model with
        external data, or onnxruntime is too old for these; other errors are those of ``model.py``.
        """
        if as_ not in _FORMS:
            raise OptionError(f"for the format onnx, as_ is one of {', '.join(_FORMS)}")
        if isinstance(providers, str):
            raise OptionError(
                'for the format onnx, providers is a list of names, such as ["CPUExecutionProvider"]'
            )
        data, files, signed = verified.blob.data, verified.files, verified.statement is not None
        model = onnx_model.parse(data, limits, signed=signed)
        if not signed:
            # Serialized again from what was checked, without fields that only the runtime may know.
            model.DiscardUnknownFields()
            data = model.SerializeToString()
        contents = onnx_model.look(model, limits)
        if not signed:
            onnx_model.require_standard(model, contents)
        found = contents.externals
        external_data.require_files(found, files)
        if as_ == "bytes":
            return _alone(data, found)
        if as_ == "model":
            if not _fits(data, found):
                raise LimitExceeded("the model with all its data would have over 2 GiB", hint=_SESSION_HINT)
            external_data.embed(found, files)
            return model
        small = [one for one in found if one.size <= _SMALL_BYTES]
        if small and _fits(data, small):
            external_data.embed(small, files)
            data = model.SerializeToString()
            left = external_data.locations(one for one in found if one.size > _SMALL_BYTES)
            files = {location: files[location] for location in left}
        return _session(data, files, list(providers), signed=signed)

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, since models name no Python types; refuse a model that would not be loaded."""
        self.files_of(data, limits)
        return ()

    def files_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return the files that hold external data."""
        contents = onnx_model.look(onnx_model.parse(data, limits), limits)
        return external_data.locations(contents.externals)


def _alone(data: bytes, found: tuple[External, ...]) -> bytes:
    """Return the bytes of a model that is one file."""
    if found:
        raise FormatNotAllowed(
            "its data lie in other files, so its bytes alone are incomplete",
            hint='Load it with as_="model", which includes them.',
        )
    return data


def _fits(data: bytes, found: Iterable[External]) -> bool:
    """Tell whether a model with its data in it stays below the maximum of protobuf."""
    return len(data) + sum(one.size for one in found) <= onnx_model.MAX_BYTES


def _session(data: bytes, files: Mapping[str, Blob], providers: list[Any], *, signed: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Without this, the runtime could read the same bytes as its own format ORT, which was not checked.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if files:
        registry.require_safe("onnxruntime", onnxruntime.__version__)
        # Without them the runtime would open files of these names in the current folder.
        views = [file.view for file in files.values()]
        options.add_external_initializers_from_files_in_memory(
            list(files), views, [len(view) for view in views]
        )
    # Constant folding would execute operators during loading, with results of any size.
    skipped = [] if signed else ["ConstantFolding"]
    return onnxruntime.InferenceSession(data, options, providers=providers, disabled_optimizers=skipped)


def _own(obj: Any) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of a model that is ONNX already, and remarks on changes to it."""
    limits = Limits()
    if isinstance(obj, str | os.PathLike):
        return _from_path(os.fspath(obj), limits)
    if isinstance(obj, bytes | bytearray | memoryview):
        data = bytes(obj)
        model = onnx_model.parse(data, limits)
    else:
        model, data = obj, _serialized(obj)
    if onnx_model.look(model, limits).externals:
        raise SerializationError(
            "some of its data lie in other files, whose folder is unknown",
            hint="Pass the path of its .onnx file, or sign that file in place: safeload.sign(path).",
        )
    _check(model)
    return data, ()


def _from_path(path: str, limits: Limits) -> tuple[bytes, tuple[str, ...]]:
    data = _read(path)
    model = onnx_model.parse(data.data, limits)
    found = onnx_model.look(model, limits).externals
    if not found:
        _check(model)
        return data.data, ()
    files: dict[str, Blob] = {}
    for location in external_data.locations(found):
        # The reader refuses links at the end of a path only; a folder in between could be one.
        if "/" in location:
            raise SerializationError("its external data lie in subfolders", hint=_SIGN_HINT)
        files[location] = _read(os.path.join(os.path.dirname(path), location))
        if data.size + sum(one.size for one in files.values()) > onnx_model.MAX_BYTES:
            raise SerializationError("in one file the model would have over 2 GiB", hint=_SIGN_HINT)
    external_data.require_files(found, files)
    external_data.embed(found, files)
    _check(model)
    return _serialized(model), ("Its external data were moved into the file.",)


def _read(path: str) -> Blob:
    try:
        return read(path, limit=onnx_model.MAX_BYTES)
    except LimitExceeded as error:
        raise SerializationError(error.problem, where=path, hint=_SIGN_HINT) from None


def _serialized(model: Any) -> bytes:
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _check(model: Any) -> None:
    try:
        onnx_model.check(model)
    except Exception as error:
        raise SerializationError(f"ONNX's checker refuses it ({brief(error)})") from error


def _require_none(**chosen: Any) -> None:
    given = [name for name, value in chosen.items() if value is not None]
    if given:
        raise OptionError(f"{', '.join(given)}: this is an ONNX model already, and is not converted")


def _tolerance(value: Any) -> float:
    if value is None:
        return _TOLERANCE
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise OptionError("for the format onnx, tolerance is a number, 0 or more")
    return float(value)


def _opset(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise OptionError("for the format onnx, target_opset is a whole number")
    return value


FORMAT = OnnxFormat()

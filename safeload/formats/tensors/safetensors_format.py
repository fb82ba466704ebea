"""The format ``safetensors``: a dict of arrays or tensors, read in place.

The library writes the file. Its readers copy every tensor, so the header is read here, and arrays are views
of the verified memory.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import IO, Any, Literal

from safeload.errors import DeserializationError, MalformedError, SafeloadError, SerializationError
from safeload.formats import equality
from safeload.formats.base import OptionError, Written
from safeload.formats.tensors import torch_tensors
from safeload.limits import Limits
from safeload.parsers.safetensors import METADATA, Tensor, parse
from safeload.trust.gate import VerifiedArtifact

# The types' names in numpy, and in ml_dtypes if numpy does not have them.
_NUMPY = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "F16": "float16",
    "U32": "uint32",
    "I32": "int32",
    "F32": "float32",
    "U64": "uint64",
    "I64": "int64",
    "F64": "float64",
    "C64": "complex64",
}
_ML_DTYPES = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}
_TORCH = {**_NUMPY, **_ML_DTYPES}
# The global in the statement of a file that was written from torch tensors.
_TENSOR = "torch.Tensor"


class SafetensorsFormat:
    """See the module."""

    name = "safetensors"
    requires: tuple[str, ...] | None = None

    def dump(self, obj: Any, file: IO[bytes]) -> Written:
        """Write a dict of numpy arrays, or of torch tensors; there are no options.

        Types, shapes and values are kept. The order of keys and of elements in memory, the device, and
        read-only flags are not. An OrderedDict of tensors, such as a state dict, is loaded as a dict.

        Raises
        ------
        SerializationError
            If it is another object, or holds a type that the format does not have.
        """
        if type(obj) not in (dict, OrderedDict) or not all(isinstance(name, str) for name in obj):
            raise SerializationError(
                f"safetensors takes a dict of arrays by name, not a {type(obj).__name__}"
            )
        if METADATA in obj:
            raise SerializationError(f"the name {METADATA} is reserved by the format")
        kinds = {_kind(value) for value in obj.values()}
        if len(kinds) > 1:
            raise SerializationError("safetensors takes numpy arrays or torch tensors, not both at once")
        if kinds == {"torch"}:
            return _dump_torch(obj, file)
        if type(obj) is not dict:
            raise SerializationError(f"a {type(obj).__name__} of arrays would come back as a dict")
        return _dump_numpy(obj, file)

    def load(
        self, verified: VerifiedArtifact, limits: Limits, *, as_: Literal["numpy", "torch"] | None = None
    ) -> dict[str, Any]:
        """Make the dict; large arrays are writable views of the verified memory.

        Parameters
        ----------
        verified : VerifiedArtifact
            The artifact.
        limits : Limits
            Caps on the header.
        as_ : {"numpy", "torch"}, optional
            None means what was dumped, and numpy arrays for a file without a signature.
        """
        if as_ not in (None, "numpy", "torch"):
            raise OptionError('the format safetensors takes as_="numpy" or as_="torch"')
        if as_ is None:
            as_ = "torch" if _TENSOR in (verified.admitted or ()) else "numpy"
        memory = verified.blob.own()
        header = parse(memory, limit=limits.schema_bytes, tensors=limits.members)
        make = _as_torch if as_ == "torch" else _as_numpy
        return {tensor.name: make(memory, tensor) for tensor in header.tensors}

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, since the format holds data only; refuse a malformed file."""
        parse(data, limit=limits.schema_bytes, tensors=limits.members)
        return ()


def _kind(value: Any) -> str:
    for base in type(value).__mro__:
        if (base.__module__, base.__qualname__) in (("torch", "Tensor"), ("numpy", "ndarray")):
            return base.__module__
    raise SerializationError(f"safetensors takes arrays and tensors, not a {type(value).__name__}")


def _dump_numpy(arrays: dict[str, Any], file: IO[bytes]) -> Written:
    import numpy
    import safetensors.numpy

    for name, array in arrays.items():
        if type(array) is not numpy.ndarray:
            raise SerializationError(
                f"{name} is a {type(array).__name__}, of which only the array would be kept"
            )
    # numpy.ascontiguousarray would give a zero-dimensional array one dimension.
    data = safetensors.numpy.save({name: numpy.asarray(array, order="C") for name, array in arrays.items()})
    # The library converts what the format does not have, such as the other byte order.
    _require_kept(data, arrays, _as_numpy, equality.difference)
    file.write(data)
    return Written()


def _dump_torch(tensors: dict[str, Any], file: IO[bytes]) -> Written:
    import safetensors.torch
    import torch

    for name, tensor in tensors.items():
        if type(tensor) is not torch.Tensor or tensor.requires_grad:
            kind = type(tensor).__name__ + (" that requires a gradient" if tensor.requires_grad else "")
            raise SerializationError(
                f"{name} is a {kind}, of which only type, shape and values would be kept",
                hint="Store model.state_dict(), or tensor.detach().",
            )
        torch_tensors.require_dense(tensor, name)
    # Loaded tensors do not share memory, which makes a difference for those that overlap.
    once = {id(tensor) for tensor in tensors.values()}
    if len(once) < len(tensors) or any(
        torch_tensors.overlap(group) for group in torch_tensors.grouped(tensors.values())
    ):
        raise SerializationError(
            "some of the tensors share memory, which the format does not keep", hint="Store tensor.clone()."
        )
    plain = {name: tensor.resolve_conj().resolve_neg().contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(plain, {"format": "pt"})
    _require_kept(data, tensors, _as_torch, torch_tensors.difference)
    file.write(data)
    return Written((_TENSOR,))


def _require_kept(
    data: bytes,
    given: dict[str, Any],
    make: Callable[[memoryview, Tensor], Any],
    difference: Callable[[Any, Any], str | None],
) -> None:
    """Read the file back, one tensor after the other, and compare it with what was given."""
    try:
        written = {tensor.name: tensor for tensor in parse(data, limit=len(data), tensors=len(given)).tensors}
        different = (
            name
            for name, value in given.items()
            if name not in written or difference(value, make(memoryview(data), written[name])) is not None
        )
        where = next(different, None)
    except SafeloadError as error:
        raise SerializationError(f"safetensors does not keep it exactly: {error.problem}") from error
    if where is not None:
        raise SerializationError(f"safetensors does not keep it exactly: it differs at {where}")


def _as_numpy(memory: memoryview, tensor: Tensor) -> Any:
    import numpy

    if tensor.dtype in _NUMPY:
        dtype = numpy.dtype(_NUMPY[tensor.dtype])
    elif tensor.dtype in _ML_DTYPES:
        dtype = numpy.dtype(getattr(_ml_dtypes(tensor), _ML_DTYPES[tensor.dtype]))
    else:
        raise _unsupported(tensor)
    array = numpy.frombuffer(memory[tensor.start : tensor.stop], dtype=dtype).reshape(tensor.shape)
    if tensor.dtype == "BOOL" and array.size and array.view(numpy.uint8).max() > 1:
        raise MalformedError(f"the tensor {tensor.name!r} holds booleans that are neither 0 nor 1")
    if memory.readonly or not array.flags.aligned:
        array = array.copy()
    return array


def _as_torch(memory: memoryview, tensor: Tensor) -> Any:
    import torch

    dtype = getattr(torch, _TORCH.get(tensor.dtype, ""), None)
    if dtype is None:
        raise _unsupported(tensor)
    if tensor.start == tensor.stop:
        return torch.empty(tensor.shape, dtype=dtype)
    piece = memory[tensor.start : tensor.stop]
    if memory.readonly or tensor.start % dtype.itemsize:
        piece = memoryview(bytearray(piece))
    made = torch.frombuffer(piece, dtype=dtype).reshape(tensor.shape)
    if tensor.dtype == "BOOL" and made.view(torch.uint8).max() > 1:
        raise MalformedError(f"the tensor {tensor.name!r} holds booleans that are neither 0 nor 1")
    return made


def _ml_dtypes(tensor: Tensor) -> Any:
    try:
        import ml_dtypes
    except ModuleNotFoundError:
        raise DeserializationError(
            f"the tensor {tensor.name!r} is of the type {tensor.dtype}, which numpy does not have",
            hint='Install ml_dtypes, or load it with as_="torch".',
        ) from None
    return ml_dtypes


def _unsupported(tensor: Tensor) -> DeserializationError:
    return DeserializationError(
        f"the tensor {tensor.name!r} is of the type {tensor.dtype}, which is not supported here"
    )


FORMAT = SafetensorsFormat()

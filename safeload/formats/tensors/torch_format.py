"""The format ``torch``: state dicts and other plain containers of tensors, as ``torch.save`` writes them.

Files are read only by PyTorch's restricted unpickler (``weights_only``), which makes nothing but tensors and
plain containers; no option changes that. A whole ``nn.Module`` names its classes and is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import IO, Any

from safeload.errors import (
    DeserializationError,
    FormatNotAllowed,
    LimitExceeded,
    MalformedError,
    SerializationError,
)
from safeload.formats import registry
from safeload.formats.base import Written
from safeload.formats.tensors import torch_tensors
from safeload.limits import Limits
from safeload.parsers import zip_members
from safeload.trust.gate import VerifiedArtifact

_PICKLE = "data.pkl"
# Only TorchScript archives have this member. They hold a program.
_SCRIPT = "constants.pkl"


class TorchFormat:
    """See the module."""

    name = "torch"
    requires: tuple[str, ...] | None = ("torch",)

    def dump(self, obj: Any, file: IO[bytes]) -> Written:
        """Write tensors in dicts, lists and tuples, with numbers and strings; there are no options.

        Values, types, shapes, the order of keys, and shared memory between tensors are kept. Devices,
        gradients and autograd graphs are not. Of a larger storage only the bytes of its tensors are written;
        if several tensors share it, the others are zeros.

        Raises
        ------
        SerializationError
            If it holds anything else, or is not read back exactly.
        """
        import torch

        registry.require_safe("torch")
        if isinstance(obj, torch.nn.Module):
            raise SerializationError(
                f"a {type(obj).__name__} is code and weights", hint="Store its weights: model.state_dict()."
            )
        torch_tensors.require_plain(obj)
        written = torch_tensors.without_hidden_data(obj)
        buffer = io.BytesIO()
        torch.save(written, buffer)
        buffer.seek(0)
        try:
            read = _load(buffer, "cpu")
        except DeserializationError as error:
            raise SerializationError(f"torch does not read it back: {error.problem}") from error
        where = torch_tensors.difference(obj, read)
        if where is not None:
            raise SerializationError(f"torch does not keep it exactly; it differs at {where}")
        before, after = (torch_tensors.sharing(torch_tensors.tensors_in(each)) for each in (obj, read))
        if before != after:
            raise SerializationError(
                "torch does not keep which of its tensors share memory", hint="Store tensor.clone()."
            )
        file.write(buffer.getbuffer())
        return Written()

    def load(self, verified: VerifiedArtifact, limits: Limits, *, map_location: Any = "cpu") -> Any:
        """Make the tensors on the device `map_location`, which is that of ``torch.load``.

        Raises
        ------
        FormatNotAllowed, MalformedError, LimitExceeded
            If it is not an archive of tensors in the layout of PyTorch 1.6 or newer.
        """
        registry.require_safe("torch")
        _check(verified.blob.view, limits)
        return _load(io.BytesIO(verified.blob.data), map_location)

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, since a file may refer to PyTorch's own fixed list only; refuse other archives."""
        _check(data, limits)
        return ()


def _load(file: io.BytesIO, map_location: Any) -> Any:
    import torch

    try:
        return torch.load(file, map_location=map_location, weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own message tells how to load the file unsafely.
        raise DeserializationError(
            "it holds something other than tensors and plain containers, or is damaged"
        ) from error


def _check(data: bytes | memoryview, limits: Limits) -> None:
    """Refuse everything but an archive with one pickle, as ``torch.save`` writes it."""
    if bytes(data[:4]) != b"PK\x03\x04":
        raise FormatNotAllowed(
            "it is not a ZIP archive, as torch.save has written them since PyTorch 1.6",
            hint="Load it where it was made and save it again.",
        )
    members = zip_members.sizes(data, limits)
    by_name: dict[str, list[str]] = {}
    for member in members:
        by_name.setdefault(member.rpartition("/")[2], []).append(member)
    if _SCRIPT in by_name:
        raise FormatNotAllowed(
            "it is a TorchScript archive, which holds a program",
            hint="Store its weights: model.state_dict().",
        )
    pickles = by_name.get(_PICKLE, [])
    if len(pickles) != 1 or pickles[0].count("/") != 1:
        raise MalformedError("it does not have exactly one data.pkl in its folder")
    if members[pickles[0]] > limits.schema_bytes:
        raise LimitExceeded(
            f"its {_PICKLE} has {members[pickles[0]]} bytes, {limits.schema_bytes} are allowed"
        )


FORMAT = TorchFormat()

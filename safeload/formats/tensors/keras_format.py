"""The format ``keras``: a model in Keras' own archive, ``.keras``.

Files are read in safe mode, in which Keras refuses code from the file, such as a lambda; no option changes
that. Custom classes of a model come from the program, by ``keras.saving.register_keras_serializable`` or the
option ``custom_objects``, never from the file.
"""

from __future__ import annotations

import math
import os
from typing import IO, Any

from safeload.errors import DeserializationError, MalformedError, SerializationError, brief
from safeload.formats import equality, registry
from safeload.formats.base import Written
from safeload.limits import Limits
from safeload.parsers import zip_members
from safeload.storage.private_folder import PrivateFolder
from safeload.storage.reader import read
from safeload.trust.gate import VerifiedArtifact

# Keras derives the format from the suffix.
_FILE = "model.keras"
_HINT = (
    "Replace a lambda by a layer class, and register custom classes with "
    "keras.saving.register_keras_serializable or custom_objects=."
)
_UNLIMITED = 1 << 62
_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")


class KerasFormat:
    """See the module."""

    name = "keras"
    requires: tuple[str, ...] | None = ("keras",)

    def dump(self, obj: Any, file: IO[bytes], *, custom_objects: dict[str, Any] | None = None) -> Written:
        """Write a Keras model that is read back with equal weights and an equal state of its optimizer.

        `custom_objects` are those of :meth:`load`, for reading it back.

        Raises
        ------
        SerializationError
            If it is not a model of Keras 3, or is not read back exactly; safe mode refuses a lambda.
        """
        import keras

        registry.require_safe("keras")
        if not isinstance(obj, keras.Model):
            raise SerializationError(f"a {type(obj).__name__} is not a model of Keras 3")
        # No number is wider than eight bytes.
        held = [*obj.variables, *getattr(getattr(obj, "optimizer", None), "variables", ())]
        size = sum(math.prod(variable.shape) * 8 for variable in held)
        folder = PrivateFolder(size, "model")
        try:
            path = os.path.join(folder.path, _FILE)
            obj.save(path)
            data = read(path, limit=_UNLIMITED).data
            try:
                where = _difference(obj, _read(path, custom_objects, compile=True))
            except _Refused as error:
                raise SerializationError(f"Keras does not read it back: {error}", hint=_HINT) from error
        finally:
            folder.delete()
        if where is not None:
            raise SerializationError(f"Keras does not keep it exactly; it differs at {where}")
        file.write(data)
        return Written()

    def load(
        self,
        verified: VerifiedArtifact,
        limits: Limits,
        *,
        compile: bool = True,
        custom_objects: dict[str, Any] | None = None,
    ) -> Any:
        """Make the model from a private copy of the verified bytes, which is deleted afterwards.

        Parameters
        ----------
        verified, limits
            As for every format.
        compile : bool
            Whether to compile it as it was when it was saved.
        custom_objects : dict, optional
            The program's classes and functions, by their names in the model.

        Raises
        ------
        MalformedError, LimitExceeded
            If it is not such an archive, or decompresses to more than is allowed.
        """
        registry.require_safe("keras")
        _check(verified.blob.view, limits)
        folder = PrivateFolder(verified.blob.size, "model")
        try:
            path = folder.write(_FILE, verified.blob.view)
            return _read(path, custom_objects, compile=compile)
        except _Refused as error:
            raise DeserializationError(
                f"it verified, but Keras does not read it: {error}", hint=_HINT
            ) from error
        finally:
            folder.delete()

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return nothing, since classes come from Keras and the program; refuse other archives."""
        _check(data, limits)
        return ()


class _Refused(Exception):
    """Keras refused a model; the message leaves out its advice to load the model unsafely."""


def _read(path: str, custom_objects: dict[str, Any] | None, *, compile: bool) -> Any:
    import keras
    from keras.src.saving.serialization_lib import SafeModeScope

    try:
        # If the program has called keras.config.enable_unsafe_deserialization, safe_mode=True alone does
        # not turn it off.
        with SafeModeScope(True):
            return keras.saving.load_model(
                path, custom_objects=custom_objects, compile=compile, safe_mode=True
            )
    except (ValueError, TypeError) as error:
        text = str(error)
        if "safe_mode" in text or "unsafe_deserialization" in text:
            raise _Refused("the model would run code from the file, such as a lambda") from error
        raise _Refused(f"{type(error).__name__}: {brief(text)}") from error


def _difference(one: Any, other: Any) -> str | None:
    """Return where the weights of two models, or the states of their optimizers, differ."""
    for what, left, right in (
        ("weights", one, other),
        ("optimizer", getattr(one, "optimizer", None), getattr(other, "optimizer", None)),
    ):
        lefts, rights = ([] if holder is None else holder.variables for holder in (left, right))
        if len(lefts) != len(rights):
            return f"the number of variables of its {what}"
        for mine, its in zip(lefts, rights, strict=True):
            if equality.difference(mine.numpy(), its.numpy()) is not None:
                return f"{what} {mine.path}"
    return None


def _check(data: bytes | memoryview, limits: Limits) -> None:
    members = zip_members.sizes(data, limits)
    missing = [member for member in _MEMBERS if member not in members]
    if missing:
        raise MalformedError(f"it is not an archive of a Keras model: it has no {' and no '.join(missing)}")


FORMAT = KerasFormat()

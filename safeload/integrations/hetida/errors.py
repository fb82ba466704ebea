"""safeload's errors as hetida designer reports them: three attributes, stable numbers, three classes.

An exception of a component appears in the API's JSON with ``error_code`` and ``extra_information`` if it has
three attributes (:func:`mark`). For an adapter the runtime knows three kinds of failure and passes on the
message only, which therefore contains the number and the name of the error (:func:`failure`).

The numbers never change. A new error gets a new number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from safeload import errors
from safeload.errors import SafeloadError, printable


class UnknownRuntime(SafeloadError):
    """The process is not a hetida runtime of a known version; nothing was changed."""


class WiringError(SafeloadError):
    """A wiring refers to something that this adapter does not offer."""


class AdapterFailure(SafeloadError):
    """Base of the errors that the adapter raises into the runtime.

    The message begins with the number (`error_code`) and the name of the error.
    """

    def __init__(self, problem: str, *, error_code: int) -> None:
        super().__init__(problem)
        self.error_code = error_code


class StoreUnavailable(AdapterFailure):
    """The store, a key or a policy cannot be used; hetida's ``AdapterConnectionError``."""


class ObjectRefused(AdapterFailure):
    """The object does not verify, or cannot be stored or loaded; hetida's ``AdapterOutputDataError``."""


class WiringInvalid(AdapterFailure):
    """The wiring names an unknown entry or setting; hetida's ``AdapterClientWiringInvalidError``."""


UNEXPECTED = 199

CODES: Mapping[type[SafeloadError], int] = MappingProxyType(
    {
        errors.SafeloadError: 100,
        errors.VerificationError: 110,
        errors.SignatureMissing: 111,
        errors.SignatureInvalid: 112,
        errors.UnknownKey: 113,
        errors.KeyNotAllowed: 114,
        errors.Expired: 115,
        errors.DigestMismatch: 116,
        errors.SubjectMismatch: 117,
        errors.RollbackDetected: 118,
        errors.PolicyError: 120,
        errors.UntrustedType: 121,
        errors.FormatNotAllowed: 122,
        errors.LimitExceeded: 123,
        errors.EnvironmentMismatch: 124,
        errors.UnguardedOperation: 125,
        errors.StoreError: 130,
        errors.NotFound: 131,
        errors.TagExists: 132,
        errors.AlreadyExists: 133,
        errors.InvalidName: 134,
        errors.NoKeyError: 140,
        errors.KeyringError: 141,
        errors.MalformedError: 150,
        errors.StorageError: 160,
        errors.SerializationError: 170,
        errors.DeserializationError: 171,
        UnknownRuntime: 180,
        WiringError: 181,
    }
)

_WIRING = (WiringError, errors.NotFound, errors.InvalidName, errors.TagExists)
_UNAVAILABLE = (errors.StorageError, errors.NoKeyError, errors.KeyringError)


def code_of(error: SafeloadError) -> int:
    """Return the number of an error: that of its class, or of the nearest base class that has one."""
    return next(CODES[cls] for cls in type(error).__mro__ if cls in CODES)


def mark(error: SafeloadError, *, name: object, tag: object) -> None:
    """Add the attributes that make hetida report an error's number and details.

    The error is changed in place and keeps its class, so that ``except FileNotFoundError`` still works.
    """
    vars(error).update(
        __is_hetida_designer_exception__=True,
        error_code=code_of(error),
        extra_information={
            "error": error.code,
            "problem": printable(error.problem),
            "where": None if error.where is None else printable(error.where),
            "hint": None if error.hint is None else printable(error.hint),
            # A lone surrogate in them would turn the answer into an HTTP 500.
            "name": printable(str(name)),
            "tag": printable(str(tag)),
        },
    )


def failure(error: Exception, *, storing: bool = False) -> AdapterFailure:
    """Return the error, of one of the three kinds that the runtime knows, to raise in place of `error`.

    While an object is being stored, what was not found is the store's folder, not a version.
    """
    if isinstance(error, AdapterFailure):
        return error
    if not isinstance(error, SafeloadError):
        # Its message may contain anything, such as data of the object. The runtime logs it as the cause.
        return ObjectRefused(
            f"[safeload {UNEXPECTED} {type(error).__name__}] the adapter failed unexpectedly",
            error_code=UNEXPECTED,
        )
    code = code_of(error)
    kind: type[AdapterFailure] = ObjectRefused
    if isinstance(error, _UNAVAILABLE) or (storing and isinstance(error, errors.NotFound)):
        kind = StoreUnavailable
    elif isinstance(error, _WIRING):
        kind = WiringInvalid
    return kind(f"[safeload {code} {error.code}] {error}", error_code=code)

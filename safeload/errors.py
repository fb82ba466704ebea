"""The exceptions of safeload, as one tree.

::

    SafeloadError
    ├── VerificationError       the signed statement does not admit the file
    │   ├── SignatureMissing    there is no sidecar
    │   ├── SignatureInvalid    a signature does not fit its key and the payload
    │   ├── UnknownKey          no signature is by a key of the keyring
    │   ├── KeyNotAllowed       the key is revoked, outside its window, or not for this name
    │   ├── Expired             the statement's own expiry has passed
    │   ├── DigestMismatch      the artifact's bytes or size are not the signed ones
    │   ├── SubjectMismatch     signed under another name, tag or format than asked for
    │   └── RollbackDetected    older than what this loader has already seen
    ├── PolicyError             the policy does not admit the file
    │   ├── UntrustedType       a type is not on the allowlist
    │   ├── FormatNotAllowed    the format, or an operation in the file, is not admitted
    │   ├── LimitExceeded       a cap on size, ratio or depth
    │   ├── UnguardedOperation  an unpickling outside a verified load, under safeload.guard
    │   └── EnvironmentMismatch the installed packages differ from the signed ones
    ├── StoreError
    │   ├── NotFound            also a FileNotFoundError
    │   ├── TagExists
    │   ├── AlreadyExists       also a FileExistsError
    │   └── InvalidName         also a ValueError
    ├── NoKeyError              no key was given and none is configured
    ├── KeyringError            a key, keyring or policy file cannot be used or trusted
    ├── MalformedError          bytes that are not in the accepted form
    ├── StorageError            the operating system refused; also an OSError
    ├── SerializationError      an object cannot be stored exactly in the requested format
    └── DeserializationError    a verified artifact could not be turned back into an object

Misuse by the calling program (an argument of the wrong type) is a ``TypeError`` or ``ValueError`` and not
part of the tree. No message contains bytes of a payload or of a key.

Examples
--------
Catch the base for all of them, or the class of one refusal:

>>> statement = safeload.dump(model, "churn.joblib")
>>> with open("churn.joblib", "ab") as file:
...     _ = file.write(b"one byte more")
>>> try:
...     safeload.load("churn.joblib")
... except safeload.DigestMismatch as error:
...     print(error.where, "was changed after it was signed")
churn.joblib was changed after it was signed
"""

from __future__ import annotations

_BRIEF = 200


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would act on escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def brief(text: object) -> str:
    """Return foreign text, such as another library's message about a file, shortened."""
    shown = str(text)
    return shown if len(shown) <= _BRIEF else f"{shown[:_BRIEF]}…"


class SafeloadError(Exception):
    """Base of all errors of safeload about files, keys and policies.

    Parameters
    ----------
    problem : str
        What failed, as a clause without a full stop.
    where : str, optional
        The file, object or setting.
    hint : str, optional
        What to do next, as a sentence. It never suggests skipping a check.
    """

    def __init__(self, problem: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        prefix = f"{printable(self.where)}: " if self.where else ""
        suffix = f". {printable(self.hint)}" if self.hint else ""
        return f"{prefix}{printable(self.problem)}{suffix}"

    @property
    def code(self) -> str:
        """The name of the error's class, stable across releases, for logs and JSON."""
        return type(self).__name__


class VerificationError(SafeloadError):
    """The signed statement does not admit the file."""


class SignatureMissing(VerificationError):
    """The file has no sidecar, and no allowlist could admit it without one."""


class SignatureInvalid(VerificationError):
    """A signature does not fit the payload and its key."""


class UnknownKey(VerificationError):
    """No signature is by a key of the keyring."""


class KeyNotAllowed(VerificationError):
    """The key is revoked, outside its validity window, or not meant for this name."""


class Expired(VerificationError):
    """The expiry in the signed statement has passed."""


class DigestMismatch(VerificationError):
    """The artifact's bytes or size are not those of the signed statement."""


class SubjectMismatch(VerificationError):
    """The artifact was signed under another name, tag or format than requested."""


class RollbackDetected(VerificationError):
    """The signed state is older than a state that this loader has already seen."""


class PolicyError(SafeloadError):
    """The policy does not admit the file."""


class UnguardedOperation(PolicyError):
    """Under :func:`safeload.guard`, something was unpickled outside a verified load."""


class UntrustedType(PolicyError):
    """A type in the file is not on the allowlist.

    Parameters
    ----------
    types : tuple of str
        Exactly the names that are missing, sorted.
    """

    def __init__(
        self,
        problem: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        types: tuple[str, ...] = (),
    ) -> None:
        super().__init__(problem, where=where, hint=hint)
        self.types = types


class FormatNotAllowed(PolicyError):
    """The format, or an operation in the file, is not admitted."""


class LimitExceeded(PolicyError):
    """A cap of :class:`safeload.Limits` would be exceeded."""


class EnvironmentMismatch(PolicyError):
    """Installed packages differ from the signed ones and the policy says ``refuse``."""


class StoreError(SafeloadError):
    """A name, tag or file is missing, taken or invalid."""


class NotFound(StoreError, FileNotFoundError):
    """The artifact or file does not exist."""


class TagExists(StoreError):
    """The tag exists already; a tag is written once."""


class AlreadyExists(StoreError, FileExistsError):
    """A file, such as a sidecar, exists already and must not be replaced."""


class InvalidName(StoreError, ValueError):
    """A name or tag cannot be signed or stored."""


class NoKeyError(SafeloadError):
    """No key was given and none is configured."""


class KeyringError(SafeloadError):
    """A key, keyring or policy file cannot be used or trusted."""


class MalformedError(SafeloadError):
    """Bytes are not in the accepted form, such as the canonical encoding of a statement."""


class StorageError(SafeloadError, OSError):
    """The operating system refused to read or write."""


class SerializationError(SafeloadError):
    """An object cannot be stored exactly in the requested format."""


class DeserializationError(SafeloadError):
    """A verified artifact could not be turned back into an object."""


class EnvironmentWarning(UserWarning):
    """Installed packages differ from those in the signed statement."""

"""Every way in which safeload refuses, as one tree of exceptions.

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
    │   ├── FormatNotAllowed    the format, or something that it does, is not admitted
    │   ├── LimitExceeded       a cap on size, ratio or depth
    │   ├── UnguardedOperation  something else than a verified load unpickles under safeload.guard
    │   └── EnvironmentMismatch the installed packages differ from the signed ones
    ├── StoreError
    │   ├── NotFound            also a FileNotFoundError
    │   ├── TagExists
    │   ├── AlreadyExists       also a FileExistsError
    │   └── InvalidName         also a ValueError
    ├── NoKeyError              no key was given and none is configured
    ├── KeyringError            a key, keyring or policy file cannot be trusted as it is
    ├── MalformedError          bytes that are not in their one accepted spelling
    ├── StorageError            the operating system refused; also an OSError
    ├── SerializationError      an object cannot be stored (exactly) in the format asked for
    └── DeserializationError    a verified artifact could not be turned back into an object

Misuse by the calling program (a wrong type of argument) is a ``TypeError`` or ``ValueError`` and not
part of the tree. No message carries bytes of a payload or of a key.
"""

from __future__ import annotations

_BRIEF = 200


def printable(text: str) -> str:
    """Return `text` with every character that a terminal would act on escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def brief(text: object) -> str:
    """Return foreign text, such as another library's message about a file, cut to what helps."""
    shown = str(text)
    return shown if len(shown) <= _BRIEF else f"{shown[:_BRIEF]}…"


class SafeloadError(Exception):
    """Base of everything that safeload raises about files, keys and policies.

    Parameters
    ----------
    problem
        What failed, as a clause without a full stop.
    where
        Which file, object or setting it is about.
    hint
        What to do next, as a sentence. It never suggests to skip a check.
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
    """There is no sidecar, and no allowlist that could admit the file without one."""


class SignatureInvalid(VerificationError):
    """A signature does not fit the payload and the key that it names."""


class UnknownKey(VerificationError):
    """No signature is by a key of the keyring."""


class KeyNotAllowed(VerificationError):
    """The key is revoked, outside its validity window, or not meant for this name."""


class Expired(VerificationError):
    """The expiry in the signed statement has passed."""


class DigestMismatch(VerificationError):
    """The artifact's bytes or size are not those of the signed statement."""


class SubjectMismatch(VerificationError):
    """The artifact was signed under another name, tag or format than the one asked for."""


class RollbackDetected(VerificationError):
    """The signed state is older than one that this loader has already seen."""


class PolicyError(SafeloadError):
    """The policy does not admit the file."""


class UnguardedOperation(PolicyError):
    """Under :func:`safeload.guard` something unpickled that was not verified."""


class UntrustedType(PolicyError):
    """A type in the file is not on the allowlist.

    Parameters
    ----------
    types
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
    """The format, or something that the file does in it, is not admitted."""


class LimitExceeded(PolicyError):
    """A cap of :class:`safeload.Limits` was reached before memory was spent."""


class EnvironmentMismatch(PolicyError):
    """Installed packages differ from the signed ones and the policy says ``refuse``."""


class StoreError(SafeloadError):
    """A name, tag or file is missing, taken or impossible."""


class NotFound(StoreError, FileNotFoundError):
    """There is no such artifact."""


class TagExists(StoreError):
    """The tag is taken; a tag is written once."""


class AlreadyExists(StoreError, FileExistsError):
    """A file is there already that is not to be replaced, such as a sidecar."""


class InvalidName(StoreError, ValueError):
    """A name or tag that cannot be signed or stored."""


class NoKeyError(SafeloadError):
    """No key was given and none is configured."""


class KeyringError(SafeloadError):
    """A key, keyring or policy file cannot be trusted as it is."""


class MalformedError(SafeloadError):
    """Bytes that are not in the one spelling that is accepted."""


class StorageError(SafeloadError, OSError):
    """The operating system refused to read or write."""


class SerializationError(SafeloadError):
    """An object cannot be stored, or not exactly, in the format asked for."""


class DeserializationError(SafeloadError):
    """A verified artifact could not be turned back into an object."""


class EnvironmentWarning(UserWarning):
    """Installed packages differ from those that the signed statement names."""

"""The interface of keys. The algorithm is a property of the key, never of what it verifies."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, Literal, NewType, NoReturn, ParamSpec, Protocol, TypeVar, runtime_checkable

from safeload.errors import KeyringError, SignatureInvalid

KeyId = NewType("KeyId", str)
KeyAlgorithm = Literal["hmac-sha256", "ed25519", "ecdsa-p256", "ecdsa-p384"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_KEY_ID = re.compile(r"[0-9a-f]{64}")


def parse_key_id(text: str) -> KeyId:
    """Return `text` as a key id, 64 lower-case hexadecimal characters, or raise KeyringError."""
    if not _KEY_ID.fullmatch(text):
        raise KeyringError("a key id is 64 lower-case hexadecimal characters")
    return KeyId(text)


@runtime_checkable
class VerifyingKey(Protocol):
    """A key that can verify signatures."""

    @property
    def key_id(self) -> KeyId:
        """A digest that names the key. It serves to find the key and proves nothing."""
        ...

    @property
    def algorithm(self) -> KeyAlgorithm:
        """The only algorithm that the key is used with."""
        ...

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify that `signature` is the key's signature over `message`, or raise SignatureInvalid."""
        ...


@runtime_checkable
class SigningKey(VerifyingKey, Protocol):
    """A key that can also sign."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature over `message`, as :meth:`verify` accepts it: for ECDSA, r and a low s."""
        ...


def opaque(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Raise a function's exceptions without its frames and without their causes.

    Handlers that print the variables of a traceback (rich, cgitb, monitoring services) would print a secret
    that a frame holds, or that an exception of a library underneath quotes. So every function that is handed
    a secret, or reads one, is marked with this decorator.
    """

    @functools.wraps(function)
    def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            failure = error.with_traceback(None)
        failure.__cause__ = failure.__context__ = None
        # This frame stays in the traceback, without its variables.
        del args, kwargs
        raise failure

    return guarded


class Guarded:
    """Base of the keys: kept out of ``repr``, ``str``, logs, pickles and copies, and equal by key id."""

    __slots__ = ()

    key_id: KeyId
    algorithm: KeyAlgorithm

    def __repr__(self) -> str:
        # A traceback may show a key whose constructor has not finished.
        return f"<{type(self).__name__} {getattr(self, 'key_id', 'unfinished')[:12]}…>"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and other.key_id == self.key_id

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not pickled or copied; load it where it is used")

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} has no state to hand out")

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError("a key does not change")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a key does not change")


def invalid() -> SignatureInvalid:
    """Return the error for every invalid signature, whatever the reason."""
    return SignatureInvalid(
        "the signature does not fit",
        hint="The sidecar was altered, or made with another key. Do not load the file; "
        "get it again from its author.",
    )

"""Load stored Python objects only when their signature verifies for the very name that was asked for.

::

    import safeload

    safeload.dump(model, "churn.joblib")     # the artifact and churn.joblib.sig
    model = safeload.load("churn.joblib")    # verify, then deserialize

The names below are the public interface. They are imported when first used, so that ``import safeload`` costs
next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from safeload._version import __version__

if TYPE_CHECKING:
    from safeload.api.artifacts import dump as dump
    from safeload.api.artifacts import dumps as dumps
    from safeload.api.artifacts import load as load
    from safeload.api.artifacts import loads as loads
    from safeload.api.artifacts import verify as verify
    from safeload.api.conversion import convert as convert
    from safeload.api.folders import VerifiedFolder as VerifiedFolder
    from safeload.api.folders import open_verified as open_verified
    from safeload.api.inspection import Inspection as Inspection
    from safeload.api.inspection import inspect as inspect
    from safeload.api.sharing import SharedArtifact as SharedArtifact
    from safeload.api.sharing import share as share
    from safeload.api.signing import sign as sign
    from safeload.attestation.statement import Environment as Environment
    from safeload.attestation.statement import Source as Source
    from safeload.attestation.statement import Statement as Statement
    from safeload.attestation.subjects import File as File
    from safeload.errors import AlreadyExists as AlreadyExists
    from safeload.errors import DeserializationError as DeserializationError
    from safeload.errors import DigestMismatch as DigestMismatch
    from safeload.errors import EnvironmentMismatch as EnvironmentMismatch
    from safeload.errors import EnvironmentWarning as EnvironmentWarning
    from safeload.errors import Expired as Expired
    from safeload.errors import FormatNotAllowed as FormatNotAllowed
    from safeload.errors import InvalidName as InvalidName
    from safeload.errors import KeyNotAllowed as KeyNotAllowed
    from safeload.errors import KeyringError as KeyringError
    from safeload.errors import LimitExceeded as LimitExceeded
    from safeload.errors import MalformedError as MalformedError
    from safeload.errors import NoKeyError as NoKeyError
    from safeload.errors import NotFound as NotFound
    from safeload.errors import PolicyError as PolicyError
    from safeload.errors import RollbackDetected as RollbackDetected
    from safeload.errors import SafeloadError as SafeloadError
    from safeload.errors import SerializationError as SerializationError
    from safeload.errors import SignatureInvalid as SignatureInvalid
    from safeload.errors import SignatureMissing as SignatureMissing
    from safeload.errors import StorageError as StorageError
    from safeload.errors import StoreError as StoreError
    from safeload.errors import SubjectMismatch as SubjectMismatch
    from safeload.errors import TagExists as TagExists
    from safeload.errors import UnguardedOperation as UnguardedOperation
    from safeload.errors import UnknownKey as UnknownKey
    from safeload.errors import UntrustedType as UntrustedType
    from safeload.errors import VerificationError as VerificationError
    from safeload.guarding import Guard as Guard
    from safeload.guarding import guard as guard
    from safeload.limits import Limits as Limits
    from safeload.store import Store as Store
    from safeload.store import TagStatus as TagStatus
    from safeload.store import dump_obj as dump_obj
    from safeload.store import load_obj as load_obj
    from safeload.trust.keys import EcdsaP256PrivateKey as EcdsaP256PrivateKey
    from safeload.trust.keys import EcdsaP256PublicKey as EcdsaP256PublicKey
    from safeload.trust.keys import EcdsaP384PrivateKey as EcdsaP384PrivateKey
    from safeload.trust.keys import EcdsaP384PublicKey as EcdsaP384PublicKey
    from safeload.trust.keys import Ed25519PrivateKey as Ed25519PrivateKey
    from safeload.trust.keys import Ed25519PublicKey as Ed25519PublicKey
    from safeload.trust.keys import Entry as Entry
    from safeload.trust.keys import HmacKey as HmacKey
    from safeload.trust.keys import Keyring as Keyring
    from safeload.trust.keys import load_private_pem as load_private_pem
    from safeload.trust.keys import load_public_pem as load_public_pem
    from safeload.trust.policy import Policy as Policy


_HOMES = {
    "safeload.api.artifacts": ("dump", "dumps", "load", "loads", "verify"),
    "safeload.api.conversion": ("convert",),
    "safeload.api.folders": ("VerifiedFolder", "open_verified"),
    "safeload.guarding": ("Guard", "guard"),
    "safeload.api.inspection": ("Inspection", "inspect"),
    "safeload.trust.keys": (
        "EcdsaP256PrivateKey",
        "EcdsaP256PublicKey",
        "EcdsaP384PrivateKey",
        "EcdsaP384PublicKey",
        "Ed25519PrivateKey",
        "Ed25519PublicKey",
        "Entry",
        "HmacKey",
        "Keyring",
        "load_private_pem",
        "load_public_pem",
    ),
    "safeload.limits": ("Limits",),
    "safeload.trust.policy": ("Policy",),
    "safeload.store": ("TagStatus", "Store", "dump_obj", "load_obj"),
    "safeload.api.signing": ("sign",),
    "safeload.api.sharing": ("SharedArtifact", "share"),
    "safeload.attestation.statement": ("Environment", "Source", "Statement"),
    "safeload.attestation.subjects": ("File",),
    "safeload.errors": (
        "DeserializationError",
        "DigestMismatch",
        "EnvironmentMismatch",
        "EnvironmentWarning",
        "Expired",
        "FormatNotAllowed",
        "InvalidName",
        "KeyNotAllowed",
        "KeyringError",
        "LimitExceeded",
        "MalformedError",
        "NoKeyError",
        "NotFound",
        "PolicyError",
        "RollbackDetected",
        "SafeloadError",
        "SerializationError",
        "AlreadyExists",
        "SignatureInvalid",
        "SignatureMissing",
        "StorageError",
        "StoreError",
        "SubjectMismatch",
        "TagExists",
        "UnguardedOperation",
        "UnknownKey",
        "UntrustedType",
        "VerificationError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ("__version__", *_HOME_OF)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'safeload' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

"""Other ways to load an artifact only when it is what was stored: modelstamp and model-signing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def modelstamp_load(obj: Any, folder: Path) -> Callable[[], object]:
    """Return a load by modelstamp, which compares a checksum."""
    import modelstamp

    path = folder / "stamped.joblib"
    modelstamp.save(obj, path)

    def load() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return modelstamp.load(path)

    return load


def model_signing_load(obj: Any, folder: Path, algorithm: str) -> Callable[[], object]:
    """Return a verification by model-signing with an ECDSA key, and joblib.load after it.

    Parameters
    ----------
    algorithm
        ``"blake3"`` or ``"sha256"``.
    """
    from model_signing import hashing, signing, verifying

    private, public = _elliptic_key(folder)
    path, signature = folder / f"peer-{algorithm}.joblib", folder / f"peer-{algorithm}.sig"
    joblib.dump(obj, path)
    hashed = hashing.Config().use_file_serialization(hashing_algorithm=algorithm)
    signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(hashed).sign(
        path, signature
    )

    def load() -> object:
        verifying.Config().use_elliptic_key_verifier(public_key=public).set_hashing_config(hashed).verify(
            path, signature
        )
        return joblib.load(path)

    return load


def model_signing_folder(
    model: Path, folder: Path, algorithm: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return signing and verifying of a folder by model-signing with an ECDSA P-256 key.

    Parameters
    ----------
    model
        The folder.
    folder
        Where keys and the signature are put.
    algorithm
        ``"blake3"`` or ``"sha256"``.
    """
    from model_signing import hashing, signing, verifying

    private, public = _elliptic_key(folder)
    signature = folder / f"peer-folder-{algorithm}.sig"
    hashed = hashing.Config().use_file_serialization(hashing_algorithm=algorithm)

    def sign() -> None:
        signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(hashed).sign(
            model, signature
        )

    def verify() -> None:
        verifying.Config().use_elliptic_key_verifier(public_key=public).set_hashing_config(hashed).verify(
            model, signature
        )

    return sign, verify


def _elliptic_key(folder: Path) -> tuple[Path, Path]:
    """Write an ECDSA P-256 key in two files, private and public."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "key.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return private, public

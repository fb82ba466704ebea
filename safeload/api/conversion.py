"""From one format to another: verified, converted, compared, and signed with what it was made of.

The new artifact's statement names the source by its signed name, format and digest, so that a model in
production can be followed back to the one that was trained.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import IO, Any

from safeload import formats
from safeload.api.artifacts import PathLike, write_signed
from safeload.api.folders import VerifiedFolder, location_of, open_verified
from safeload.api.signing import write_folder
from safeload.attestation.digests import digest_of
from safeload.attestation.statement import Source, Statement
from safeload.errors import FormatNotAllowed
from safeload.formats import onnx
from safeload.storage.blob import Blob
from safeload.storage.private_folder import PrivateFolder
from safeload.storage.staged_folder import refuse_taken
from safeload.trust import gate, signing
from safeload.trust.gate import VerifiedArtifact
from safeload.trust.keys.base import SigningKey
from safeload.trust.keys.hmac_key import HmacKey
from safeload.trust.keys.keyring import Keyring
from safeload.trust.keys.sources import KeyringSource
from safeload.trust.policy import Policy, PolicySource, resolve
from safeload.trust.reading import read_signed
from safeload.trust.rules import LoadRequest
from safeload.trust.signing import SigningRequest

TENSORFLOW = "tensorflow"
_TRIAL = "trial"


def convert(
    path: PathLike,
    target: PathLike,
    *,
    to: str,
    sample: Any = None,
    tolerance: float = 1e-5,
    name: str | None = None,
    metadata: dict[str, Any] | None = None,
    expires: datetime | None = None,
    signer: SigningKey | None = None,
    keyring: KeyringSource | None = None,
    policy: PolicySource | None = None,
    overwrite: bool = False,
) -> Statement:
    """Load a signed artifact, and store it in another format.

    Parameters
    ----------
    path : str or os.PathLike
        The source: an artifact, or the folder of a SavedModel. It must be signed.
    target : str or os.PathLike
        Where the new artifact goes. A new folder must not exist yet.
    to : str
        A format, ``"auto"``, or ``"tensorflow"``, which makes a SavedModel folder of an ONNX model.
    sample : array-like or DataFrame, optional
        Rows of data on which the predictions of both are compared before the new one is written. Estimators
        cannot become ONNX models without it.
    tolerance : float
        Largest accepted difference of the predictions, absolute below 1 and relative above.
    name : str, optional
        Name under which the new artifact is signed; the default is its file's name.
    metadata : dict, optional
        Signed in addition to the metadata of the source.
    expires : datetime.datetime, optional
        When the new artifact expires; never later than the source.
    signer, keyring, policy : optional
        As for :func:`safeload.dump` and :func:`safeload.load`.
    overwrite : bool
        Replace an existing artifact. A folder is never replaced.

    Returns
    -------
    Statement
        What was signed; its `source` is what it was made of.

    Raises
    ------
    SerializationError
        It cannot be stored in that format, or does not predict the same there.
    AlreadyExists
        The target or its sidecar exists, and `overwrite` is false or the target is a folder.
    SafeloadError
        As :func:`safeload.load` and :func:`safeload.dump`.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> statement = safeload.convert("churn.joblib", "churn.onnx", to="onnx", sample=X)
    >>> statement.format, statement.source.name
    ('onnx', 'churn.joblib')
    """
    policy, destination = resolve(policy), os.fspath(target)
    if not overwrite:
        # Often the source of the source: what was trained cannot be made of what it was converted to.
        refuse_taken(location_of(destination))
    with _opened(os.fspath(path), keyring, policy) as origin:
        signed = origin.statement
        request = SigningRequest(
            name=name,
            metadata={**signed.metadata, **(metadata or {})},
            expires=min((end for end in (expires, signed.expires) if end is not None), default=None),
            signer=signer,
            keyring=keyring,
            policy=policy,
            source=Source(signed.name, signed.format, {signed.digest.algorithm: signed.digest.hex}),
        )
        if to == TENSORFLOW:
            return _to_folder(origin, destination, sample, tolerance, request)
        prepared = origin.prepared(to, sample, tolerance, destination)
        if sample is not None:
            prepared = _compared(prepared, origin, sample, tolerance, request, destination)
        return write_signed(prepared, destination, request)


class _Artifact:
    """A source that is one file."""

    def __init__(self, verified: VerifiedArtifact, statement: Statement, policy: Policy) -> None:
        self.statement = statement
        self._verified = verified
        self._policy = policy
        self._made: Any = None

    def model(self) -> Any:
        """Return what can be asked for predictions; always the same, which the artifact's memory holds."""
        if self._made is None:
            self._made = formats.deserialize(self._verified, self._policy)
        return self._made

    def onnx(self) -> Any:
        """Return the ONNX model, with all its data in it."""
        if self.statement.format != "onnx":
            raise FormatNotAllowed(
                f"only an ONNX model can become a SavedModel, and this is {self.statement.format}",
                where=self._verified.blob.location,
                hint='Convert it with to="onnx" first.',
            )
        return formats.deserialize(self._verified, self._policy, {"as_": "model"})

    def prepared(self, to: str, sample: Any, tolerance: float, where: str) -> formats.Prepared:
        """Return how it will be written."""
        if self.statement.format == "onnx":
            if to != "onnx":
                raise FormatNotAllowed(
                    f"an ONNX model cannot become {to}",
                    where=where,
                    hint='Use to="onnx" or to="tensorflow".',
                )
            return formats.prepare(to, self.onnx(), {}, where=where)
        options = {"sample": sample, "tolerance": tolerance} if to == "onnx" else {}
        return formats.prepare(to, self.model(), options, where=where)


class _SavedModel:
    """A source that is the folder of a SavedModel."""

    def __init__(self, folder: VerifiedFolder, location: str) -> None:
        self.statement = folder.statement
        self._folder = folder
        self._location = location

    def model(self) -> Any:
        """Return what can be asked for predictions."""
        return onnx.load_saved_model(self._folder.path, where=self._location)

    def onnx(self) -> Any:
        """Return the ONNX model of it."""
        raise FormatNotAllowed("it is a SavedModel already", where=self.statement.name)

    def prepared(self, to: str, sample: Any, tolerance: float, where: str) -> formats.Prepared:
        """Return how it will be written, which can be as an ONNX model only."""
        if to != "onnx":
            raise FormatNotAllowed(f"a SavedModel cannot become {to}", where=where, hint='Use to="onnx".')
        model, remark = onnx.convert_saved_model(self._folder.path, where=self._location)
        return _remarked(formats.prepare(to, model, {}, where=where), remark)


@contextmanager
def _opened(
    location: str, keyring: KeyringSource | None, policy: Policy
) -> Iterator[_Artifact | _SavedModel]:
    """Verify the source and give it."""
    if os.path.isdir(location):
        with open_verified(location, keyring=keyring, policy=policy) as folder:
            yield _SavedModel(folder, location)
        return
    request = LoadRequest.of(location, name=None, keyring=keyring, policy=policy, signed=True)
    yield _Artifact(*read_signed(request), policy)


def _compared(
    prepared: formats.Prepared,
    origin: _Artifact | _SavedModel,
    sample: Any,
    tolerance: float,
    request: SigningRequest,
    where: str,
) -> formats.Prepared:
    """Write it to memory, load that, and see that it predicts what the source predicts."""
    buffer = io.BytesIO()
    written = prepared.write(buffer)
    data = buffer.getvalue()
    # Loaded in the one way there is, signed and verified, with a key that is never stored.
    key = HmacKey.generate()
    signed = signing.describe(
        name=_TRIAL,
        digest=digest_of(request.policy.digest_algorithm, data),
        size=len(data),
        format=prepared.format,
        globals=written.globals,
        requires=formats.get(prepared.format).requires,
        metadata=None,
        expires=None,
    )
    # Under the very policy, so that nothing is stored which that would refuse to load; but with one key.
    trial = replace(request.policy, signatures=1, environment="ignore", origin=None)
    asked = LoadRequest(location=where, name=_TRIAL, policy=trial)
    sidecar = signing.sidecar_of(signed, key, trial.limits)
    verified = gate.verify(Blob(data, where), sidecar, asked, Keyring.of(key))
    compared = onnx.compare(origin.model(), formats.deserialize(verified, trial), sample, tolerance)
    kept = formats.Prepared(prepared.format, lambda file: (file.write(data), written)[1])
    return _remarked(kept, _remark(compared))


def _to_folder(
    origin: _Artifact | _SavedModel, destination: str, sample: Any, tolerance: float, request: SigningRequest
) -> Statement:
    refuse_taken(location_of(destination))
    model = origin.onnx()
    made = PrivateFolder(model.ByteSize(), os.path.basename(destination))
    try:
        remarks = [onnx.write_saved_model(model, made.path)]
        if sample is not None:
            made_model = onnx.load_saved_model(made.path, where=destination)
            remarks.append(_remark(onnx.compare(origin.model(), made_model, sample, tolerance)))
        return write_folder(made.path, destination, request, tuple(remarks))
    finally:
        made.delete()


def _remark(compared: onnx.Comparison) -> str:
    return f"Predictions {compared.described(' from those of the source')}."


def _remarked(prepared: formats.Prepared, remark: str) -> formats.Prepared:
    def write(file: IO[bytes]) -> formats.Written:
        written = prepared.write(file)
        return formats.Written(written.globals, (*written.remarks, remark))

    return formats.Prepared(prepared.format, write)

"""The statement: what is signed about an artifact.

An in-toto Statement v1 (https://github.com/in-toto/attestation) with one subject and safeload's own
predicate, in its canonical encoding. The gate in :mod:`safeload.trust.gate` parses it only after a signature
over its bytes has verified.

Example of a payload::

    {"_type":"https://in-toto.io/Statement/v1",
     "subject":[{"name":"churn.joblib","digest":{"blake3":"6f0c…"}}],
     "predicateType":"urn:safeload:artifact:1",
     "predicate":{"name":"churn.joblib","tag":null,"sequence":null,"format":"joblib","size":2143,
                  "created":"2026-11-23T09:00:00Z","expires":null,
                  "environment":{"python":"3.11.7","packages":{"scikit-learn":"1.9.1"}},
                  "globals":["sklearn.linear_model._logistic.LogisticRegression"],"metadata":{}}}

Further subjects, each with its size in its annotations, are files that belong to the artifact, by their paths
relative to its folder. A model folder is signed whole: its predicate has the format ``folder``, and all
subjects are its files. `source` and `remarks` are left out of a predicate where they are empty.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from safeload.attestation import envelope
from safeload.attestation.digests import Digest
from safeload.attestation.subjects import File, check_name, check_path, digest_of_files, require_order
from safeload.errors import InvalidName, MalformedError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:safeload:artifact:1"
# The format of a statement about a folder, whose subjects are its files.
FOLDER = "folder"

_P = TypeVar("_P")
_Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Versions of Python and of the distributions that an object needs, where it was stored.

    Parameters
    ----------
    python : str
        The Python version.
    packages : dict of str to str
        Versions of the distributions, by name.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> "scikit-learn" in statement.environment.packages
    True
    """

    python: str
    packages: dict[str, str]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verified artifact that another was converted from.

    Parameters
    ----------
    name, format : str
        Its signed name and its format.
    digest : dict of str to str
        Its digest by algorithm, in hexadecimal.

    Examples
    --------
    >>> source = safeload.Source("raw.csv", "csv", {"sha256": "0" * 64})
    >>> safeload.dump(model, "churn.joblib", source=source).source.name
    'raw.csv'
    """

    name: str
    format: str
    digest: dict[str, str]


class _Annotations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: _Count


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A subject of an in-toto Statement; safeload annotates a file with its size."""

    name: str
    digest: dict[str, str]
    annotations: _Annotations | None = None


class _Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    tag: str | None
    sequence: _Count | None
    format: str
    size: _Count
    created: _Timestamp
    expires: _Timestamp | None
    environment: Environment | None
    globals: tuple[str, ...] | None
    metadata: dict[str, Any]
    # A field with its default value is not written, so that the value has one encoding.
    source: Source | None = None
    remarks: tuple[str, ...] = ()


class InTotoStatement(msgspec.Struct, Generic[_P], frozen=True, forbid_unknown_fields=True):
    """An in-toto Statement v1 with its predicate, as it is encoded."""

    type_: str = msgspec.field(name="_type")
    subject: tuple[Subject, ...]
    predicateType: str
    predicate: _P


_decoder = msgspec.json.Decoder(InTotoStatement[_Predicate])


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a signer says about one artifact.

    Parameters
    ----------
    name : str
        Name under which the artifact may be loaded; for a plain path, the file's name.
    tag : str, optional
        Tag under which it may be loaded; None for a plain path.
    file : str, optional
        Name of the file that holds the artifact, which is the subject's name; None if it is `name`.
    digest : Digest
        Digest of the artifact's bytes; for a folder, of its files
        (:func:`safeload.attestation.subjects.digest_of_files`).
    size : int
        Size of the artifact, or of all files of a folder, in bytes.
    format : str
        Format of the artifact.
    created, expires : datetime.datetime
        In UTC, to the second. After `expires` the artifact is refused; None means never.
    sequence : int, optional
        Position among the versions of a name in a store; None for a plain path.
    environment : Environment, optional
        The packages that the object needs; None if the artifact was signed unseen.
    globals : tuple of str, optional
        The ``module.qualname`` of everything that the artifact refers to (for skops: the types that skops
        does not trust by default), sorted; None if the artifact was signed unseen.
    metadata : dict
        JSON that the signer added.
    files : tuple of File
        Files that belong to the artifact and lie beside it, or all files of a folder; sorted by path.
    source : Source, optional
        The artifact that this one was converted from.
    remarks : tuple of str
        How the format was chosen, or what was converted and how that was checked.

    Examples
    --------
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> statement.name, statement.format, statement.tag
    ('churn.joblib', 'joblib', None)
    """

    name: str
    tag: str | None = None
    file: str | None = None
    digest: Digest
    size: int
    format: str
    created: datetime
    expires: datetime | None = None
    sequence: int | None = None
    environment: Environment | None = None
    globals: tuple[str, ...] | None = None
    metadata: dict[str, Any] = {}
    files: tuple[File, ...] = ()
    source: Source | None = None
    remarks: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of `files` by their paths, in bytes."""
        return {file.path: file.size for file in self.files}


def utc_seconds(moment: datetime) -> datetime:
    """Return `moment` in UTC without fractions of a second, as in statements.

    Raises
    ------
    ValueError
        The time has no time zone, so that it would mean another moment on another machine, or it is out of
        range.
    """
    if moment.tzinfo is None:
        raise ValueError("give a time with a time zone, for example datetime.now(UTC)")
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("this time is out of range in UTC") from None


def encode(statement: Statement) -> bytes:
    """Write a statement in its canonical encoding.

    Raises
    ------
    InvalidName
        See :func:`~safeload.attestation.subjects.check_name` and
        :func:`~safeload.attestation.subjects.check_path`.
    TypeError, ValueError
        The metadata are not JSON, or would be read back as something else.
    """
    check_name(statement.name)
    if statement.tag is not None:
        check_name(statement.tag, what="tag")
    for file in statement.files:
        check_path(file.path)
    try:
        payload = _encoded(statement)
    except RecursionError:
        raise ValueError("the metadata are nested too deeply") from None
    # The signer should see this error, not every loader.
    try:
        same = parse(payload) == statement
    except MalformedError as error:
        raise ValueError(f"the statement could not be read back: {error.problem}") from None
    if not same:
        raise ValueError("the metadata are not plain JSON, or a time is not in UTC to the second")
    return payload


def _encoded(statement: Statement) -> bytes:
    own = Subject(statement.file or statement.name, statement.digest.to_set())
    files = tuple(
        Subject(file.path, file.digest.to_set(), _Annotations(file.size)) for file in statement.files
    )
    subjects = files if statement.format == FOLDER else (own, *files)
    return encode_in_toto(subjects, PREDICATE_TYPE, _Predicate, statement)


def encode_in_toto(
    subjects: tuple[Subject, ...], predicate_type: str, predicate: type[msgspec.Struct], source: object
) -> bytes:
    """Write an in-toto Statement whose predicate has its fields from the attributes of `source`."""
    fields = (getattr(source, name) for name in predicate.__struct_fields__)
    return envelope.encode_canonical(
        InTotoStatement(STATEMENT_TYPE, subjects, predicate_type, predicate(*fields))
    )


def parse(payload: bytes) -> Statement:
    """Read a statement; the inverse of :func:`encode`. Call it on verified bytes only.

    Raises
    ------
    MalformedError
        `payload` is not the canonical encoding of a statement that :func:`encode` would write.
    """
    wire = envelope.decode_canonical(_decoder, payload, what="statement")
    if wire.type_ != STATEMENT_TYPE or wire.predicateType != PREDICATE_TYPE:
        raise MalformedError("the statement is of a type that this version does not know")
    predicate = wire.predicate
    for moment in (predicate.created, predicate.expires):
        if moment is not None and (moment.utcoffset() != timedelta(0) or moment.microsecond):
            raise MalformedError("a time in the statement is not in UTC to the second")
    folder = predicate.format == FOLDER
    own, further = (None, wire.subject) if folder else (wire.subject[:1], wire.subject[1:])
    if own is not None and (not own or own[0].annotations is not None):
        raise MalformedError("the statement does not have exactly one artifact")
    file = own[0].name if own else predicate.name
    try:
        check_name(predicate.name)
        check_name(file, what="file name")
        if predicate.tag is not None:
            check_name(predicate.tag, what="tag")
    except InvalidName as error:
        raise MalformedError(error.problem) from None
    if predicate.tag is None and file != predicate.name:
        raise MalformedError("the statement gives its subject two names")
    files = _files(further) if further else ()
    digest = Digest.from_set(own[0].digest) if own else digest_of_files(files)
    if files and any(file.digest.algorithm != digest.algorithm for file in files):
        raise MalformedError("the digests of the statement are by different algorithms")
    if folder and sum(file.size for file in files) != predicate.size:
        raise MalformedError("the statement gives its files two sizes")
    return Statement(
        file=None if file == predicate.name else file,
        digest=digest,
        files=files,
        # The other fields have the same names in both.
        **msgspec.structs.asdict(predicate),
    )


def _files(subjects: tuple[Subject, ...]) -> tuple[File, ...]:
    """Return the files of a folder, or those that belong to an artifact."""
    files = tuple(
        File(subject.name, Digest.from_set(subject.digest), subject.annotations.size)
        for subject in subjects
        if subject.annotations is not None
    )
    if len(files) != len(subjects):
        raise MalformedError("a file of the statement has no size")
    require_order(files)
    return files

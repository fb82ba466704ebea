"""The statement: what is signed about an artifact.

An in-toto Statement v1 (https://github.com/in-toto/attestation) with one subject and safeload's own
predicate. A statement has one spelling, as an envelope has; it is parsed only after a signature over its
bytes has verified, which the gate in :mod:`safeload.verification` sees to.

Example of a payload::

    {"_type":"https://in-toto.io/Statement/v1",
     "subject":[{"name":"churn.joblib","digest":{"blake3":"6f0c…"}}],
     "predicateType":"urn:safeload:artifact:1",
     "predicate":{"name":"churn.joblib","tag":null,"sequence":null,"format":"joblib","size":2143,
                  "created":"2026-11-23T09:00:00Z","expires":null,
                  "environment":{"python":"3.11.7","packages":{"scikit-learn":"1.9.1"}},
                  "globals":["sklearn.linear_model._logistic.LogisticRegression"],"metadata":{}}}
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from safeload.digests import Digest
from safeload.errors import InvalidName, MalformedError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:safeload:artifact:1"

_MAX_NAME_BYTES = 1024

_Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an object was stored: the Python version and those of the distributions it needs."""

    python: str
    packages: dict[str, str]


class _Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    digest: dict[str, str]


class _Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type_: str = msgspec.field(name="_type")
    subject: tuple[_Subject, ...]
    predicateType: str
    predicate: _Predicate


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a signer says about one artifact.

    Parameters
    ----------
    name, tag
        Under which the artifact may be loaded; for a plain path the file's name, and no tag.
    file
        The name of the file that holds it, which is the subject's name. None means the same as `name`.
    digest, size
        Of the artifact's bytes; size in bytes.
    format
        How the bytes are to be read.
    created, expires
        In UTC, to the second. After `expires` the artifact is refused.
    sequence
        Position among the versions of a name in a store; None for a plain path.
    environment
        The packages that the object needs, or None where the artifact was signed unseen.
    globals
        The ``module.qualname`` of everything that the artifact refers to (for skops: the types that skops
        does not trust by itself), sorted; None where the artifact was signed unseen.
    metadata
        Whatever the signer added; JSON.
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


_decoder = msgspec.json.Decoder(_Wire)
_encoder = msgspec.json.Encoder()


def check_name(name: str, *, what: str = "name") -> str:
    """Return `name` if it can stand in a statement.

    Raises
    ------
    InvalidName
        For an empty name, one over 1,024 bytes in UTF-8, and one with control characters or characters
        that UTF-8 cannot express.
    """
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        raise InvalidName(f"the {what} is not valid Unicode", where=ascii(name)) from None
    if not 1 <= size <= _MAX_NAME_BYTES:
        raise InvalidName(f"a {what} has 1 to {_MAX_NAME_BYTES} bytes, this one {size}")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise InvalidName(f"the {what} has control characters", where=ascii(name))
    return name


def utc_seconds(moment: datetime) -> datetime:
    """Return `moment` in UTC without fractions of a second, as statements carry it.

    Raises
    ------
    ValueError
        For a time without a time zone, which would mean something else on the next machine; and for one out
        of range.
    """
    if moment.tzinfo is None:
        raise ValueError("give a time with a time zone, for example datetime.now(UTC)")
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("this time is out of range in UTC") from None


def encode(statement: Statement) -> bytes:
    """Write a statement in its one spelling.

    Raises
    ------
    InvalidName
        See :func:`check_name`.
    TypeError, ValueError
        When the metadata are not JSON, or not JSON that can be read back as it is.
    """
    check_name(statement.name)
    if statement.tag is not None:
        check_name(statement.tag, what="tag")
    try:
        payload = _encoded(statement)
    except RecursionError:
        raise ValueError("the metadata have no end") from None
    # Better that the signer learns it than every loader.
    try:
        same = parse(payload) == statement
    except MalformedError as error:
        raise ValueError(f"the statement could not be read back: {error.problem}") from None
    if not same:
        raise ValueError("the metadata are not plain JSON, or a time is not in UTC to the second")
    return payload


def _encoded(statement: Statement) -> bytes:
    return _encoder.encode(
        _Wire(
            type_=STATEMENT_TYPE,
            subject=(
                _Subject(
                    statement.file or statement.name, {statement.digest.algorithm: statement.digest.hex}
                ),
            ),
            predicateType=PREDICATE_TYPE,
            predicate=_Predicate(
                name=statement.name,
                tag=statement.tag,
                sequence=statement.sequence,
                format=statement.format,
                size=statement.size,
                created=statement.created,
                expires=statement.expires,
                environment=statement.environment,
                globals=statement.globals,
                metadata=statement.metadata,
            ),
        )
    )


def parse(payload: bytes) -> Statement:
    """Read a statement; the inverse of :func:`encode`. Call it on verified bytes only.

    Raises
    ------
    MalformedError
        For anything that :func:`encode` would not have written.
    """
    try:
        wire = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(f"the statement cannot be read ({type(error).__name__})") from None
    if _encoder.encode(wire) != payload:
        raise MalformedError("the statement is not in its one accepted spelling")
    if wire.type_ != STATEMENT_TYPE or wire.predicateType != PREDICATE_TYPE:
        raise MalformedError("the statement is of a type that this version does not know")
    predicate = wire.predicate
    for moment in (predicate.created, predicate.expires):
        if moment is not None and (moment.utcoffset() != timedelta(0) or moment.microsecond):
            raise MalformedError("a time in the statement is not in UTC to the second")
    if len(wire.subject) != 1 or len(wire.subject[0].digest) != 1:
        raise MalformedError("the statement has not exactly one subject with one digest")
    subject = wire.subject[0]
    if predicate.tag is None and subject.name != predicate.name:
        raise MalformedError("the statement gives its subject two names")
    try:
        check_name(predicate.name)
        check_name(subject.name, what="file name")
        if predicate.tag is not None:
            check_name(predicate.tag, what="tag")
    except InvalidName as error:
        raise MalformedError(error.problem) from None
    ((algorithm, hexdigest),) = subject.digest.items()
    return Statement(
        name=predicate.name,
        tag=predicate.tag,
        file=None if subject.name == predicate.name else subject.name,
        digest=Digest(algorithm, hexdigest),  # type: ignore[arg-type]  # Digest refuses all others
        size=predicate.size,
        format=predicate.format,
        created=predicate.created,
        expires=predicate.expires,
        sequence=predicate.sequence,
        environment=predicate.environment,
        globals=predicate.globals,
        metadata=predicate.metadata,
    )

"""The format ``skops``: data and the names of types, which are checked against an allowlist.

For a signed file the statement gives the allowlist: the types that the signer's dump needed. For an unsigned
file the caller or the policy gives it. It never comes from the file that is being loaded.
"""

from __future__ import annotations

from dataclasses import fields
from typing import IO, Any

from safeload.errors import SafeloadError, SerializationError, UntrustedType, brief
from safeload.formats.base import Written
from safeload.formats.equality import difference
from safeload.formats.skops import archive
from safeload.formats.skops import types as skops_types
from safeload.limits import Limits
from safeload.trust.gate import VerifiedArtifact

_SHOWN_TYPES = 20
# Limits are for loading; an object that is dumped is not hostile.
_WIDEST = Limits(**{entry.name: 1 << 62 for entry in fields(Limits)})


class SkopsFormat:
    """See the module."""

    name = "skops"
    requires: tuple[str, ...] | None = ("skops", "sklearn", "numpy", "scipy")

    def dump(self, obj: Any, file: IO[bytes]) -> Written:
        """Write an object, if skops keeps it exactly; there are no options.

        Raises
        ------
        SerializationError
            What is read back differs from the object.
        """
        import skops.io

        data = skops.io.dumps(obj)
        types = skops.io.get_untrusted_types(data=data)
        # These bytes were made by the line above and have not left this process.
        _require_exact(obj, skops.io.loads(data, trusted=types))
        _require_readable(data, frozenset(types))
        file.write(data)
        return Written(tuple(sorted(types)))

    def load(self, verified: VerifiedArtifact, limits: Limits) -> Any:
        """Make the object if every type in it is admitted; there are no options.

        Raises
        ------
        UntrustedType
            With exactly the missing types; or an unsigned file has a type that runs its own state.
        MalformedError, LimitExceeded
            skops does not write such a file; see ``archive.py``, ``schema.py``, ``types.py``.
        """
        import skops.io

        opened = archive.opened(verified.blob.data, limits)
        data, schema = opened.data, opened.schema
        signed = verified.statement is not None
        skops_types.check_names(schema, verified.trusted, verified.skops_defaults, signed=signed)
        missing = tuple(sorted(set(skops.io.get_untrusted_types(data=data)) - verified.trusted))
        if missing:
            shown = ", ".join(brief(name) for name in missing[:_SHOWN_TYPES])
            more = f" and {len(missing) - _SHOWN_TYPES} more" if len(missing) > _SHOWN_TYPES else ""
            raise UntrustedType(
                f"these types are not on the allowlist: {shown}{more}",
                hint="If you know them and where the file comes from, name them in trusted=.",
                types=missing,
            )
        # Every name is on the list now, so looking it up runs no more than skops would.
        skops_types.check_kinds(schema, verified.trusted)
        return skops.io.loads(data, trusted=sorted(verified.trusted))

    def globals_of(self, data: bytes, limits: Limits) -> tuple[str, ...]:
        """Return the types that skops does not trust by itself."""
        import skops.io

        plain = archive.checked(data, limits)
        return tuple(sorted(skops.io.get_untrusted_types(data=plain)))


def _require_readable(data: bytes, types: frozenset[str]) -> None:
    """Refuse to store a file that could not be loaded."""
    try:
        skops_types.check_kinds(archive.opened(data, _WIDEST).schema, types)
    except SafeloadError as error:
        raise SerializationError(
            f"skops writes it in a way that would not be read back ({error.problem})",
            hint='Use format="joblib".',
        ) from error


def _require_exact(obj: Any, loaded: Any) -> None:
    try:
        where = difference(obj, loaded)
    except TypeError as error:
        where = f"a part that cannot be compared ({error})"
    if where is not None:
        raise SerializationError(
            f"skops does not keep this {type(obj).__name__} exactly; it differs at {where}",
            hint='Use format="joblib".',
        )


FORMAT = SkopsFormat()

"""The policy: what a loader demands.

A policy comes from the argument ``policy=`` or from the file that ``SAFELOAD_POLICY`` names by an absolute
path, never from the working directory or the folder of an artifact, which an attacker may write. No setting
turns verification off. A policy file is TOML with the fields of :class:`Policy`::

    formats = ["joblib", "skops"]
    trusted = ["xgboost.sklearn.XGBClassifier"]
    allow = ["preset:sklearn", "mypackage.models.Churn"]
    environment = "refuse"

    [limits]
    artifact_bytes = 1_000_000_000
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Literal, get_args

from safeload import namelists
from safeload.attestation.digests import DigestAlgorithm
from safeload.errors import PolicyError
from safeload.limits import Limits
from safeload.parsers.format_facts import ROWS
from safeload.storage.trusted_file import Origin, configured_path, read_settings, refuse_unknown

POLICY_VARIABLE = "SAFELOAD_POLICY"

# Formats that hold data and types by name, and no instructions. Only these can ever be admitted unsigned.
DATA_ONLY_FORMATS = frozenset(row.name for row in ROWS if row.unsigned != "never")
# Those of them that name types, which an allowlist must admit. The others are admitted by being listed.
TYPED_FORMATS = frozenset(row.name for row in ROWS if row.unsigned == "allowlist")

EnvironmentMode = Literal["warn", "refuse", "ignore"]

_ALLOWLISTS = ("trusted", "allow", "skops_defaults")
_QUALIFIED_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def allowlist(names: Iterable[str], *, field: str = "trusted") -> frozenset[str]:
    """Return `names` as an allowlist of exact type names, with presets replaced by their names.

    Parameters
    ----------
    names : iterable of str
        Full names, such as ``package.module.Class``, and presets, such as ``preset:sklearn``.
    field : str
        The list that they are for: ``trusted`` for unsigned data-only files, ``allow`` for the second gate of
        pickles.

    Returns
    -------
    frozenset of str
        The names.

    Raises
    ------
    TypeError
        `names` is not a collection of text; ``True`` and a single string are the usual mistakes.
    PolicyError
        A name is not a full ``module.qualname`` (wildcards are refused), or names a type that runs its own
        state, or, in `allow`, something that gives access to what is not listed.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise TypeError(f'{field}= takes a list of exact names, such as ["package.module.Class"]')
    entries = frozenset(names)
    for name in entries:
        if not isinstance(name, str):
            raise TypeError(f"{field}= takes names and not types")
    return _checked(entries, field)


# A preset has more than a thousand names, and every load is given its list anew.
@lru_cache(maxsize=32)
def _checked(entries: frozenset[str], field: str) -> frozenset[str]:
    result = namelists.expand(entries)
    for name in result:
        if not _QUALIFIED_NAME.fullmatch(name):
            raise PolicyError(
                f"{name!r} is not the exact name of a type",
                hint="Give the full name of every type, as package.module.Class; wildcards are not accepted.",
            )
        reason = namelists.refusal(name) if field == "allow" else namelists.why_it_runs(name)
        if reason is not None:
            raise PolicyError(
                f"{name} cannot be on an allowlist: {reason}",
                hint="A file that needs it can be loaded if someone whom you trust has signed it."
                if field == "trusted"
                else "With it, the list would admit everything.",
            )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a loader demands.

    Parameters
    ----------
    formats : frozenset of str, optional
        Names of the formats that may be loaded; None means all known formats.
    unsigned_formats : frozenset of str
        Data-only formats that are admitted without a signature: skops, if an allowlist admits every type in
        the file; safetensors and onnx, which hold no types, only if they are listed here.
    trusted : frozenset of str, optional
        The allowlist for unsigned files: exact names of types. None means that unsigned files are refused
        unless a call has its own list.
    allow : frozenset of str, optional
        The second gate of pickle and joblib files, after their signature: exact names that they may refer to,
        and presets such as ``preset:sklearn``. None means no second gate.
    skops_defaults : frozenset of str, optional
        Which of the types that skops trusts by default are admitted: exact names and presets; None means all
        of them. Python's own plain data (text, numbers, lists, dicts and the like) are always admitted.
    fips : bool
        Accept SHA-256 digests only; BLAKE3 is not a FIPS algorithm.
    environment : {"warn", "refuse", "ignore"}
        What to do, before deserialization, if the installed packages differ from the signed ones.
    signatures : int
        How many different keys must have signed.
    limits : Limits
        Caps on size, ratio and depth.
    origin : Origin, optional
        The file that it was read from.

    Raises
    ------
    PolicyError
        A format in `unsigned_formats` must be signed, an allowlist has a wildcard or a name that it must not
        have, or a value is out of range.

    Examples
    --------
    >>> policy = safeload.Policy(formats={"skops", "onnx"}, environment="refuse")
    >>> statement = safeload.dump(model, "churn.joblib")
    >>> safeload.load("churn.joblib", policy=policy)
    Traceback (most recent call last):
    ...
    safeload.errors.FormatNotAllowed: churn.joblib: the policy does not admit the format 'joblib'. ...
    """

    formats: frozenset[str] | None = None
    unsigned_formats: frozenset[str] = TYPED_FORMATS
    trusted: frozenset[str] | None = None
    allow: frozenset[str] | None = None
    skops_defaults: frozenset[str] | None = None
    fips: bool = False
    environment: EnvironmentMode = "warn"
    signatures: int = 1
    limits: Limits = field(default_factory=Limits)
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("formats", "unsigned_formats"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"{name} is a collection of names")
            if value is not None:
                object.__setattr__(self, name, frozenset(value))
        must_be_signed = self.unsigned_formats - DATA_ONLY_FORMATS
        if must_be_signed:
            raise PolicyError(
                f"{', '.join(sorted(must_be_signed))} cannot be admitted without a signature: "
                "loading it runs what it contains",
                hint="Sign the files with `safeload sign` after you have made sure of their source.",
            )
        for name in _ALLOWLISTS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, allowlist(value, field=name))
        if self.environment not in get_args(EnvironmentMode):
            raise PolicyError(f"environment is one of {', '.join(get_args(EnvironmentMode))}")
        if not isinstance(self.fips, bool):
            raise PolicyError("fips is true or false")
        if isinstance(self.signatures, bool) or not isinstance(self.signatures, int):
            raise PolicyError("signatures is a whole number")
        if self.signatures < 1:
            raise PolicyError("at least one signature is demanded", hint="There is no way around it.")
        if not isinstance(self.limits, Limits):
            raise TypeError("limits is a safeload.Limits")

    @property
    def digest_algorithm(self) -> DigestAlgorithm:
        """The algorithm that new statements use."""
        return "sha256" if self.fips else "blake3"

    def allowlist_for(self, trusted: Iterable[str] | None) -> frozenset[str] | None:
        """Return the policy's allowlist together with that of a call, or None without either."""
        if trusted is None:
            return self.trusted
        # This refuses types that run their own state; see safeload.namelists.
        return allowlist(trusted) | (self.trusted or frozenset())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Policy:
        """Read a policy file.

        Parameters
        ----------
        path : str or os.PathLike
            The file.

        Returns
        -------
        Policy
            The policy.

        Raises
        ------
        NotFound
            The file does not exist.
        KeyringError
            Another user could have written it.
        PolicyError
            It is not a policy. An unknown field is an error too, since it may be a misspelled requirement.
        """
        return read_settings(path, lambda values, blob: _from_values(values, Origin.of(blob)), what="policy")


PolicySource = Policy | str | os.PathLike[str]


def resolve(policy: PolicySource | None = None) -> Policy:
    """Return the policy that a call uses: the argument, the configured policy, or the default.

    Parameters
    ----------
    policy : Policy, str or os.PathLike, optional
        A policy, or the path of a policy file; None for the configured policy.

    Raises
    ------
    KeyringError, NotFound, PolicyError
        See :meth:`Policy.load`. A relative path in the environment is refused.
    TypeError
        `policy` has another type.
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, str | os.PathLike):
        return Policy.load(policy)
    if policy is not None:
        raise TypeError(f"a policy is a Policy or a path, not a {type(policy).__name__}")
    path = os.environ.get(POLICY_VARIABLE)
    return Policy.load(configured_path(POLICY_VARIABLE, path)) if path else _DEFAULT


def _from_values(values: dict[str, Any], origin: Origin) -> Policy:
    known = {entry.name for entry in fields(Policy)} - {"origin"}
    refuse_unknown(values, known)
    arguments = dict(values)
    for name in ("formats", "unsigned_formats", *_ALLOWLISTS):
        if name in arguments:
            value = arguments[name]
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise PolicyError(f"{name} is a list of names")
            arguments[name] = frozenset(value)
    limits = arguments.pop("limits", {})
    if not isinstance(limits, dict):
        raise PolicyError("limits is a table")
    refuse_unknown(limits, {entry.name for entry in fields(Limits)})
    try:
        return Policy(**arguments, limits=Limits(**limits), origin=origin)
    except (TypeError, ValueError) as error:
        raise PolicyError(str(error)) from None


_DEFAULT = Policy()

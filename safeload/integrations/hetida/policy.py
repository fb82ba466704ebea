"""The adapter's policy: what may be loaded and stored in each namespace, and in which formats.

It applies in addition to safeload's own policy, which it can only narrow. The file is TOML::

    [default]                      # names outside all namespaces below; nothing if left out
    loadable = true

    [namespaces."plant-a"]         # "plant-a/…", unless a longer namespace matches
    loadable = true
    storable = true
    formats = ["joblib", "skops"]  # loadable formats; the first one is stored

What is left out is not allowed. The file is read at each request. If it cannot be read, is invalid, or could
have been written by others, nothing is listed, loaded or stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from safeload import formats as _formats
from safeload.errors import InvalidName, KeyringError, NotFound, PolicyError
from safeload.storage.trusted_file import configured_path, read_settings, refuse_unknown
from safeload.store import Store, names
from safeload.store.context import inside

POLICY_VARIABLE = "SAFELOAD_HETIDA_POLICY"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespacePolicy:
    """What is allowed in one namespace.

    Parameters
    ----------
    loadable : bool
        Whether its objects are offered as sources.
    storable : bool
        Whether new objects can be stored in it.
    formats : tuple of str, optional
        The formats that may be loaded, if safeload's own policy allows them too; the first is the one in
        which objects are stored. By default all may be loaded and joblib is stored.

    Raises
    ------
    PolicyError
        A value has another type, or `formats` is empty or contains an unknown format.
    """

    loadable: bool = False
    storable: bool = False
    formats: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loadable, bool) or not isinstance(self.storable, bool):
            raise PolicyError("loadable and storable must be true or false")
        if self.formats is None:
            return
        if isinstance(self.formats, str) or not isinstance(self.formats, list | tuple) or not self.formats:
            raise PolicyError("formats must be a list of at least one format")
        unknown = [name for name in self.formats if name not in _formats.names()]
        if unknown:
            raise PolicyError(
                f"there is no format {unknown[0]!r}", hint=f"The formats are {', '.join(_formats.names())}."
            )
        object.__setattr__(self, "formats", tuple(self.formats))

    def reading(self, store: Store) -> Store:
        """Return the store restricted to the formats of this namespace, which the gate then enforces."""
        return store if self.formats is None else store.restricted(self.formats)

    @property
    def stored_format(self) -> str:
        """The format in which objects are stored."""
        return self.formats[0] if self.formats else "joblib"


CLOSED = NamespacePolicy()
OPEN = NamespacePolicy(loadable=True, storable=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterPolicy:
    """What is allowed in which namespace.

    Parameters
    ----------
    default : NamespacePolicy
        Applies to names outside all `namespaces`; by default it allows nothing.
    namespaces : Mapping of str to NamespacePolicy
        The longest namespace that contains a name applies to it; others are not merged in.

    Raises
    ------
    PolicyError
        A namespace is not a valid name.
    """

    default: NamespacePolicy = CLOSED
    namespaces: Mapping[str, NamespacePolicy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for namespace in self.namespaces:
            try:
                names.check(namespace, what="namespace")
            except InvalidName as error:
                raise PolicyError(error.problem, where=error.where) from None
        object.__setattr__(self, "namespaces", MappingProxyType(dict(self.namespaces)))

    def of_name(self, name: str) -> NamespacePolicy:
        """Return what is allowed for a name."""
        namespace, slash, _ = name.rpartition("/")
        return self.of_namespace(namespace) if slash else self.default

    def of_namespace(self, namespace: str) -> NamespacePolicy:
        """Return what is allowed for new names in a namespace."""
        for outer in _outwards(namespace):
            if outer in self.namespaces:
                return self.namespaces[outer]
        return self.default

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AdapterPolicy:
        """Read a policy file.

        Parameters
        ----------
        path : str or os.PathLike
            The TOML file.

        Returns
        -------
        AdapterPolicy
            The policy.

        Raises
        ------
        NotFound, StorageError
            The file cannot be read.
        KeyringError
            Other users can change the file.
        PolicyError
            The file is not a policy. An unknown field is an error, since it may be a misspelled restriction.
        """
        return read_settings(path, lambda values, _: _from_values(values), what="adapter's policy")


PolicySource = AdapterPolicy | str | os.PathLike[str]


def resolve(source: PolicySource | None, store: str) -> AdapterPolicy:
    """Return the policy for a request: the argument, the environment's, or one that allows everything.

    Parameters
    ----------
    source : AdapterPolicy, str, os.PathLike or None
        A policy or the path of one; by default the path in ``SAFELOAD_HETIDA_POLICY``.
    store : str
        Location of the store. The file must not lie in it.

    Raises
    ------
    KeyringError, PolicyError, StorageError
        A policy is configured but cannot be used.
    """
    if isinstance(source, AdapterPolicy):
        return source
    if source is not None:
        path = os.fspath(source)
    elif path := os.environ.get(POLICY_VARIABLE, ""):
        path = configured_path(POLICY_VARIABLE, path)
    else:
        return AdapterPolicy(default=OPEN)
    if not path:
        raise PolicyError("the path of the adapter's policy is empty")
    if "://" not in store and inside(store, path):
        raise KeyringError(
            "the adapter's policy lies inside the store, so anyone who can write to the store can change it",
            where=path,
            hint="Move it out of the store.",
        )
    try:
        return AdapterPolicy.load(path)
    except NotFound:
        # Without the configured policy everything would be allowed.
        raise KeyringError("the adapter's policy file does not exist", where=path) from None


def _outwards(namespace: str) -> Iterator[str]:
    while True:
        yield namespace
        namespace, slash, _ = namespace.rpartition("/")
        if not slash:
            return


def _from_values(values: dict[str, Any]) -> AdapterPolicy:
    refuse_unknown(values, {"default", "namespaces"})
    namespaces = values.get("namespaces", {})
    if not isinstance(namespaces, dict):
        raise PolicyError("namespaces must be a table")
    return AdapterPolicy(
        default=_one(values.get("default", {})),
        namespaces={name: _one(value) for name, value in namespaces.items()},
    )


def _one(value: Any) -> NamespacePolicy:
    if not isinstance(value, dict):
        raise PolicyError("default and each namespace must be a table")
    refuse_unknown(value, {entry.name for entry in fields(NamespacePolicy)})
    return NamespacePolicy(**value)

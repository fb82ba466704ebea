"""What the adapter offers in each namespace: whether it loads, whether it stores, and in which formats.

It comes on top of safeload's own policy and can only narrow it. A file is TOML::

    [default]                      # names in no namespace below; left out: nothing
    loadable = true

    [namespaces."plant-a"]         # "plant-a/…", unless a longer namespace is named too
    loadable = true
    storable = true
    formats = ["joblib", "skops"]  # what may be loaded; the first is what is stored

What is left out is not allowed. The file is read at each request; while it cannot be read, or is not a
policy, or others could have written it, nothing is listed, loaded or stored.
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
    loadable, storable
        Whether its objects are offered as sources, and whether it takes new ones.
    formats
        Which may be loaded, in addition to safeload's own policy; the first is the one in which objects are
        stored. None means all, and that joblib is stored.

    Raises
    ------
    PolicyError
        A value of another type, no format, or an unknown one.
    """

    loadable: bool = False
    storable: bool = False
    formats: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.loadable, bool) or not isinstance(self.storable, bool):
            raise PolicyError("loadable and storable are true or false")
        if self.formats is None:
            return
        if isinstance(self.formats, str) or not isinstance(self.formats, list | tuple) or not self.formats:
            raise PolicyError("formats is a list of at least one format")
        unknown = [name for name in self.formats if name not in _formats.names()]
        if unknown:
            raise PolicyError(
                f"{unknown[0]!r} is not a format", hint=f"There are {', '.join(_formats.names())}."
            )
        object.__setattr__(self, "formats", tuple(self.formats))

    def reading(self, store: Store) -> Store:
        """Return a store as it is to be read here; it is the gate that holds the formats."""
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
    default
        For names in no namespace that is listed.
    namespaces
        By namespace. The longest one in which a name lies holds for it, as a whole.

    Raises
    ------
    PolicyError
        A namespace that no name can be in.
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

        Raises
        ------
        NotFound, StorageError
            It cannot be read.
        KeyringError
            Others can change it.
        PolicyError
            It is not a policy; an unknown field is an error, since it may be a misspelled demand.
        """
        return read_settings(path, lambda values, _: _from_values(values), what="adapter's policy")


PolicySource = AdapterPolicy | str | os.PathLike[str]


def resolve(source: PolicySource | None, store: str) -> AdapterPolicy:
    """Return the policy that a request is to use: the argument, the environment's, or all open.

    Parameters
    ----------
    source
        A policy or a path; None looks at ``SAFELOAD_HETIDA_POLICY``.
    store
        Location of the store, in which the file must not lie.

    Raises
    ------
    KeyringError, PolicyError, StorageError
        There is to be a policy, and it cannot be used.
    """
    if isinstance(source, AdapterPolicy):
        return source
    path = os.fspath(source) if source is not None else configured_path(POLICY_VARIABLE)
    if path is None:
        return AdapterPolicy(default=OPEN)
    if not path:
        raise PolicyError("the adapter's policy has an empty path")
    if "://" not in store and inside(store, path):
        raise KeyringError(
            "the adapter's policy lies inside the store, where whoever can write the store can change it",
            where=path,
            hint="Move it out of the store.",
        )
    try:
        return AdapterPolicy.load(path)
    except NotFound:
        # There was to be one; to go on without it would open what it closes.
        raise KeyringError("the adapter's policy is not there", where=path) from None


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
        raise PolicyError("namespaces is a table")
    return AdapterPolicy(
        default=_one(values.get("default", {})),
        namespaces={name: _one(value) for name, value in namespaces.items()},
    )


def _one(value: Any) -> NamespacePolicy:
    if not isinstance(value, dict):
        raise PolicyError("what is allowed in a namespace is a table")
    refuse_unknown(value, {entry.name for entry in fields(NamespacePolicy)})
    return NamespacePolicy(**value)

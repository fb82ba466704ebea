"""hetida designer: its store and load functions hardened in place, and a General Custom Adapter for a store.

In a runtime's ``hetdesrun_config.py``::

    import safeload
    from safeload.integrations import hetida

    hetida.harden()                                   # Store Object and Load Object, in every workflow
    hetida.register(safeload.Store("/mnt/obj_repo"))  # the adapter "safeload"

The adapter's web service is ``python -m safeload.integrations.hetida --store /mnt/obj_repo --port 8093``, or
:func:`router` in another application (extra ``hetida``). ``docs/hetida.md`` describes the set-up.

As in :mod:`safeload`, the names are imported when first used: ``python -m`` imports this module before it has
taken the working folder off the import path.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safeload.integrations.hetida.errors import ObjectRefused as ObjectRefused
    from safeload.integrations.hetida.errors import StoreUnavailable as StoreUnavailable
    from safeload.integrations.hetida.errors import UnknownRuntime as UnknownRuntime
    from safeload.integrations.hetida.errors import WiringError as WiringError
    from safeload.integrations.hetida.errors import WiringInvalid as WiringInvalid
    from safeload.integrations.hetida.in_place import COMPONENTS as COMPONENTS
    from safeload.integrations.hetida.in_place import dump_obj as dump_obj
    from safeload.integrations.hetida.in_place import harden as harden
    from safeload.integrations.hetida.in_place import load_obj as load_obj
    from safeload.integrations.hetida.plugin import register as register
    from safeload.integrations.hetida.policy import AdapterPolicy as AdapterPolicy
    from safeload.integrations.hetida.policy import NamespacePolicy as NamespacePolicy
    from safeload.integrations.hetida.web import application as application
    from safeload.integrations.hetida.web import router as router

_HOMES = {
    "errors": ("ObjectRefused", "StoreUnavailable", "UnknownRuntime", "WiringError", "WiringInvalid"),
    "in_place": ("COMPONENTS", "dump_obj", "harden", "load_obj"),
    "plugin": ("register",),
    "policy": ("AdapterPolicy", "NamespacePolicy"),
    "web": ("application", "router"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = tuple(_HOME_OF)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

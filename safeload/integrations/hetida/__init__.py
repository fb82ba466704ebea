"""hetida designer: its functions hardened in place, and a General Custom Adapter over a store.

In a runtime's ``hetdesrun_config.py``::

    import safeload
    from safeload.integrations import hetida

    hetida.harden()                                   # Store Object and Load Object, in every workflow
    hetida.register(safeload.Store("/mnt/obj_repo"))  # the adapter "safeload"

The adapter's web service is ``python -m safeload.integrations.hetida --store /mnt/obj_repo --port 8093``, or
:func:`router` in an application of your own (extra ``hetida``). ``docs/hetida.md`` has the recipes.
"""

from __future__ import annotations

from pathlib import Path

from safeload.integrations.hetida.errors import (
    ObjectRefused,
    StoreUnavailable,
    UnknownRuntime,
    WiringError,
    WiringInvalid,
)
from safeload.integrations.hetida.in_place import dump_obj, harden, load_obj
from safeload.integrations.hetida.plugin import register
from safeload.integrations.hetida.policy import AdapterPolicy, NamespacePolicy

# The two text components, ready to be imported into hetida designer.
COMPONENTS = Path(__file__).parent / "components"

__all__ = [
    "COMPONENTS",
    "AdapterPolicy",
    "NamespacePolicy",
    "ObjectRefused",
    "StoreUnavailable",
    "UnknownRuntime",
    "WiringError",
    "WiringInvalid",
    "dump_obj",
    "harden",
    "load_obj",
    "register",
]

"""Names that are looked up: each is judged once, and written down where it was first met."""

from __future__ import annotations

from safeload.namelists import python3_name
from safeload.scanning import names
from safeload.scanning.ledger import MAX_GLOBALS, Ledger, ScanStopped
from safeload.scanning.values import Reference

# Of a module or a name, in characters.
_MAX_LENGTH = 256


class Resolver:
    """The names of one file.

    Parameters
    ----------
    ledger
        Where they are written down.
    known
        Names that may be ``known types``.
    own_state
        Names of types that run what stands in their state.
    """

    def __init__(self, ledger: Ledger, known: frozenset[str], own_state: frozenset[str]) -> None:
        self._ledger = ledger
        self._known = known
        self._own_state = own_state
        self._references: dict[tuple[str, str, bool], Reference] = {}

    def refer(self, module: str, name: str, protocol: int, offset: int) -> Reference:
        """Return the reference that a name gives.

        Raises
        ------
        ScanStopped
            A name too long, or too many of them.
        """
        key = (module, name, protocol < 3)
        found = self._references.get(key)
        if found is not None:
            return found
        if len(module) > _MAX_LENGTH or len(name) > _MAX_LENGTH:
            raise ScanStopped("a name is longer than any name is", "unknown types", limit=True)
        if len(self._references) >= MAX_GLOBALS:
            raise ScanStopped(
                f"it names more than {MAX_GLOBALS} classes and functions", "unknown types", limit=True
            )
        shown = f"{module}.{name}"
        owner, qualified = python3_name(module, name, protocol)
        verdict, reason = names.judge(owner, qualified, self._known, self._own_state)
        if verdict == "unknown types" and shown in self._known and shown not in self._own_state:
            verdict = "known types"  # Under its name of Python 2.
        self._ledger.globals.setdefault(shown, offset)
        if verdict == "known types":
            # Said by the verdict; a finding for each would drown those that matter.
            self._ledger.met_known()
        else:
            self._ledger.find(verdict, reason, offset)
        reference = Reference(shown, f"{owner}.{qualified}")
        self._references[key] = reference
        return reference

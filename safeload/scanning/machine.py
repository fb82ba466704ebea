"""The state of the pickle machine: the stack, the memo, and the position in the file."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from safeload.scanning.ledger import Ledger, ScanStopped
from safeload.scanning.names import GETATTR, Resolver
from safeload.scanning.values import Reference

# The memo's entry for a number that is not in use.
MISSING = -(1 << 62)
# Longer text, in bytes, is neither a name nor a key of a state.
SHORT = 1024
# Text of the memo that is kept decoded: keys of dicts, which are used again and again.
_MAX_TEXTS = 1 << 12
_SHORT_TEXT, _TEXT = 0x8C, 0x58


class Machine:
    """One pickle. The ledger and the resolver are shared by all pickles of a file.

    `with_arrays` tells whether joblib reads the file, which puts arrays in the place of their wrappers. `run`
    follows a machine from a position and returns where its pickle ends; it is for the pickle within an array
    of objects.
    """

    __slots__ = (
        *("at", "attributes", "below", "data", "gaps", "height", "ledger", "limit", "memo", "objects"),
        *("protocol", "resolver", "result", "run", "stack", "stop", "text_at", "text_end", "with_arrays"),
        "_texts",
    )

    def __init__(
        self,
        data: bytes,
        ledger: Ledger,
        resolver: Resolver,
        *,
        with_arrays: bool,
        run: Callable[[Machine, int], int],
    ) -> None:
        self.data = data
        self.ledger = ledger
        self.resolver = resolver
        self.with_arrays = with_arrays
        self.run = run
        self.limit = len(data)  # The end of the frame, or of the file.
        self.stop = 0  # Where the interpreter checks sizes and the limit next.
        self.protocol = 0
        self.at = 0  # The position of the current instruction.
        self.result: Any = None
        # The stack above the last mark, and the stacks below each mark.
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.height = 0  # Of all that is below, with the marks.
        # For each number of the memo, the position of a text in the file, or ~index of an object.
        self.memo = array("q")
        self.objects: list[Any] = []
        self.gaps = 0
        self._texts: dict[int, str] = {}
        # The position and the end of the last instruction that pushed a short text.
        self.text_at = self.text_end = -1
        self.attributes = 0  # References to getattr that no call accounts for yet.

    def set_limit(self, limit: int) -> None:
        """Note where the current frame ends; the end of the file stands for no frame."""
        self.limit = limit
        self.stop = 0

    def text(self, at: int) -> str:
        """Return the text of the instruction at a position, which was decoded there before."""
        text = self._texts.get(at)
        if text is None:
            if len(self._texts) >= _MAX_TEXTS:
                self._texts.clear()
            text = self._texts[at] = self._decoded(at)
        return text

    def _decoded(self, at: int) -> str:
        data = self.data
        width = {_SHORT_TEXT: 1, _TEXT: 4}.get(data[at], 8)
        start = at + 1 + width
        length = int.from_bytes(data[at + 1 : start], "little")
        return data[start : start + length].decode("utf-8", "surrogatepass")

    def recall(self, number: int) -> Any:
        """Return an object of the memo."""
        value = self.objects[number]
        if type(value) is Reference and value.name == GETATTR:
            self.attributes += 1
        return value

    def group(self) -> list[Any]:
        """Pop everything above the last mark, and the mark."""
        if not self.below:
            raise ScanStopped("an instruction asks for a mark, and there is none", certain=True)
        group = self.stack
        self.stack = self.below.pop()
        self.height -= len(self.stack) + 1
        return group

    def close_calls(self) -> None:
        """Note that the last instruction took several values and left one."""
        self.ledger.close_calls(self.height + len(self.stack) - 1)


# Does an instruction whose argument starts at a position, and returns where the next instruction starts.
Step = Callable[[Machine, int], int]

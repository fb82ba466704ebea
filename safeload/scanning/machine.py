"""A stack machine for pickle's opcodes (PEP 307, 3154, 574) that makes stand-ins and nothing else.

Rules:

1. Nothing is imported, called or built, and no memory is spent that the file announces: only what is in it.
2. Where the C and the Python unpickler differ, or neither goes on, the file is malformed. So an instruction
   ends within its frame, a frame within the file, and STOP stands at the end of its frame.
3. What the machine cannot follow makes the file at least ``unknown types``; it never guesses.
4. One pass: the work for each byte is bounded. Only a pickle within an object array is a machine of its own,
   and there is none within that.

The loop below does the commonest instructions itself; :mod:`.interpreter` has all.
"""

from __future__ import annotations

import struct
from array import array
from typing import Any

from safeload.scanning.containers import MAX_MARKS, STARTS, require_hashable, sequence, skip_number_run
from safeload.scanning.interpreter import STEPS
from safeload.scanning.ledger import Ledger, ScanStopped
from safeload.scanning.names import GETATTR
from safeload.scanning.opcodes import FLOAT, characters
from safeload.scanning.report import PickleFound
from safeload.scanning.resolver import Resolver
from safeload.scanning.spelling import SHORT
from safeload.scanning.values import NESTED, ListValue, Mapping, Reference, Text

# So often, in bytes, the sizes of stack and memo are looked at; a byte adds at most one entry.
_WINDOW = 1 << 17
_MAX_STACK = 1 << 19
# Objects in the memo: a number that costs little, and more where the file is large enough to need them.
_MEMO_OBJECTS, _BYTES_PER_OBJECT = 1 << 18, 4
# Texts of the memo that are kept decoded: keys of dicts, which come again and again.
_MAX_TEXTS = 1 << 12
_SHORT_TEXT, _TEXT = 0x8C, 0x58
# Opcodes that look at the byte after them at once.
_OPERAND = frozenset(b"\x8ch K(\x80\x8b".replace(b" ", b""))


class Machine:
    """One pickle.

    Parameters
    ----------
    data
        The file.
    ledger, resolver
        What all pickles of the file share.
    with_arrays
        Whether joblib reads it, which puts arrays in the place of their wrappers.
    """

    def __init__(self, data: bytes, ledger: Ledger, resolver: Resolver, *, with_arrays: bool) -> None:
        self.data = data
        self.ledger = ledger
        self.resolver = resolver
        self.with_arrays = with_arrays
        self.limit = len(data)  # The end of the frame, or of the file.
        self.protocol = 0
        self.at = 0  # Where the instruction that is being followed starts.
        self.stopped = False
        self.result: Any = None
        # What stands above the last mark, and below each mark.
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.height = 0  # Of all that is below.
        # Under each number of the memo either the place of a text in the file, or ~number of an object.
        self.memo = array("q")
        self.objects: list[Any] = []
        self.gaps = 0
        self._texts: dict[int, str] = {}
        self.text_at = -1  # Where the text on top of the stack stands, if the last instruction pushed it;
        self.text_end = -1  # and where that instruction ends.
        self.attributes = 0  # References to getattr not yet accounted for by a call.

    def run(self, start: int) -> int:
        """Follow a pickle.

        Returns
        -------
        int
            Where it ends.

        Raises
        ------
        ScanStopped
            It cannot be followed further than to `self.at`.
        """
        try:
            end = self._loop(start)
        except (IndexError, struct.error):
            raise ScanStopped(self._shortage()) from None
        if self.attributes:
            # Held by something other than the one call that is admitted.
            self.ledger.find("dangerous", f"names {GETATTR}, which reaches what it is given", start)
        self.ledger.went_through(PickleFound(protocol=self.protocol, start=start, end=end))
        return end

    def _shortage(self) -> str:
        """Say what an instruction lacked: a byte, an entry of the memo, or something on the stack."""
        after = self.at + 1
        if after > len(self.data):
            return "the pickle ends early"
        op = self.data[self.at]
        if after == len(self.data) and op in _OPERAND:
            return "the pickle ends early"
        return "the memo has no such entry" if op in b"hj" else "an instruction takes more than there is"

    def _loop(self, pos: int) -> int:
        # Everything that the commonest instructions need is a local variable here; the rest see it in `self`.
        data, memo, objects, below = self.data, self.memo, self.objects, self.below
        steps, calls, size = STEPS, self.ledger.open_calls, len(self.data)
        limit, stack, height = self.limit, self.stack, self.height
        stop = min(limit, pos + _WINDOW)
        text_at = text_end = -1
        dense = True
        most = _MEMO_OBJECTS + size // _BYTES_PER_OBJECT
        at = pos
        try:
            while True:
                if pos >= stop:
                    if pos > limit:
                        raise ScanStopped(
                            "an instruction crosses the end of its frame"
                            if limit < size
                            else "the pickle ends early"
                        )
                    if pos == limit:
                        if limit == size:
                            at = pos
                            raise ScanStopped("the pickle ends early")
                        limit = self.limit = size
                    if len(stack) + height > _MAX_STACK or len(objects) > most:
                        raise ScanStopped(
                            "it holds more objects at once than are followed", "unknown types", limit=True
                        )
                    stop = min(limit, pos + _WINDOW)
                at = pos
                op = data[pos]
                pos += 1
                if op > 0x80:
                    if op == 0x8C:  # SHORT_BINUNICODE
                        end = pos + 1 + data[pos]
                        if end > limit:
                            raise ScanStopped("a text does not fit into the rest")
                        stack.append(data[pos + 1 : end].decode("utf-8", "surrogatepass"))
                        pos = text_end = end
                        text_at = at
                        continue
                    if op == 0x94 and dense:  # MEMOIZE
                        if text_end == at:
                            memo.append(text_at)
                        else:
                            value = stack[-1]
                            memo.append(~len(objects))
                            objects.append(value)
                        continue
                    if op == 0x86 and not (calls and calls[-1][0] >= height + len(stack) - 1):  # TUPLE2
                        last = stack.pop()
                        value = stack[-1]
                        pair = (value, last)
                        if type(value) in NESTED or type(last) in NESTED:
                            stack[-1] = sequence(pair)
                        else:
                            stack[-1] = pair
                        continue
                    if (op == 0x85 or op == 0x87) and not calls:  # TUPLE1, TUPLE3
                        if op == 0x85:
                            parts: tuple[Any, ...] = (stack[-1],)
                        elif len(stack) > 2:
                            parts = tuple(stack[-3:])
                            del stack[-2:]
                        else:
                            raise IndexError
                        stack[-1] = parts if NESTED.isdisjoint(map(type, parts)) else sequence(parts)
                        continue
                    if op == 0x88 or op == 0x89:  # NEWTRUE, NEWFALSE
                        stack.append(op == 0x88)
                        continue
                elif op < 0x60:
                    if op == 0x4B:  # BININT1
                        stack.append(data[pos])
                        pos += 1
                        continue
                    if op == 0x28:  # MARK
                        if data[pos] in STARTS and stack:
                            end = skip_number_run(data, pos, limit, stack[-1])
                            if end > 0:
                                pos = end
                                continue
                        if len(below) < MAX_MARKS:
                            below.append(stack)
                            height += len(stack) + 1
                            stack = []
                            continue
                    elif op == 0x58:  # BINUNICODE
                        start = pos + 4
                        end = start + int.from_bytes(data[pos:start], "little")
                        if end <= limit and end - start <= SHORT:
                            stack.append(data[start:end].decode("utf-8", "surrogatepass"))
                            pos = text_end = end
                            text_at = at
                            continue
                    elif op == 0x47:  # BINFLOAT
                        stack.append(FLOAT)
                        pos += 8
                        continue
                    elif op == 0x4E:  # NONE
                        stack.append(None)
                        continue
                    elif op == 0x4A:  # BININT
                        stack.append(int.from_bytes(data[pos : pos + 4], "little", signed=True))
                        pos += 4
                        continue
                    elif op == 0x4D:  # BININT2
                        stack.append(data[pos] | data[pos + 1] << 8)
                        pos += 2
                        continue
                    elif op == 0x5D:  # EMPTY_LIST
                        stack.append(ListValue())
                        continue
                elif op == 0x68:  # BINGET
                    value = memo[data[pos]]
                    pos += 1
                    stack.append(self.text(value) if value >= 0 else self.recall(~value))
                    continue
                elif op == 0x71 or op == 0x72:  # BINPUT, LONG_BINPUT
                    end = pos + 1 if op == 0x71 else pos + 4
                    if (data[pos] if op == 0x71 else int.from_bytes(data[pos:end], "little")) == len(memo):
                        if text_end == at:
                            memo.append(text_at)
                        else:
                            value = stack[-1]
                            memo.append(~len(objects))
                            objects.append(value)
                        pos = end
                        continue
                elif op == 0x6A:  # LONG_BINGET
                    value = memo[int.from_bytes(data[pos : pos + 4], "little")]
                    pos += 4
                    stack.append(self.text(value) if value >= 0 else self.recall(~value))
                    continue
                elif (op == 0x65 or op == 0x75) and below and not (calls and calls[-1][0] >= height - 1):
                    # APPENDS, SETITEMS
                    target = below[-1][-1]
                    if (
                        type(target) is (ListValue if op == 0x65 else Mapping)
                        and not len(stack) & (op & 0x10) >> 4
                    ):
                        if op == 0x75:
                            require_hashable(stack[::2])
                        target.add(stack)
                        stack = below.pop()
                        height -= len(stack) + 1
                        continue
                elif op == 0x7D:  # EMPTY_DICT
                    stack.append(Mapping())
                    continue
                self.at, self.stack, self.height = at, stack, height
                self.text_at, self.text_end = text_at, text_end
                pos = steps[op](self, pos)
                if self.stopped:
                    return pos
                text_at, text_end = self.text_at, self.text_end
                stack, height = self.stack, self.height
                dense = not self.gaps
                if limit != self.limit:
                    limit = self.limit
                    stop = min(limit, pos + _WINDOW)
        except UnicodeDecodeError:
            raise ScanStopped("a text is not UTF-8") from None
        finally:
            self.at, self.stack, self.height = at, stack, height

    # The memo.

    def text(self, at: int) -> str:
        """Return the text whose instruction stands at a place; it was decoded there before."""
        text = self._texts.get(at)
        if text is None:
            if len(self._texts) >= _MAX_TEXTS:
                self._texts.clear()
            text = self._texts[at] = self._decoded(at)
        return text

    def _decoded(self, at: int) -> str:
        data = self.data
        op = data[at]
        if op == _SHORT_TEXT:
            return data[at + 2 : at + 2 + data[at + 1]].decode("utf-8", "surrogatepass")
        width = 4 if op == _TEXT else 8
        length = int.from_bytes(data[at + 1 : at + 1 + width], "little")
        return data[at + 1 + width : at + 1 + width + length].decode("utf-8", "surrogatepass")

    def recall(self, number: int) -> Any:
        """Return an object of the memo."""
        value = self.objects[number]
        if type(value) is Reference and value.name == GETATTR:
            self.attributes += 1
        return value

    # The stack.

    def group(self) -> list[Any]:
        """Take what was pushed since the last mark."""
        if not self.below:
            raise ScanStopped("an instruction asks for a mark, and there is none")
        group = self.stack
        self.stack = self.below.pop()
        self.height -= len(self.stack) + 1
        return group

    def lowered(self) -> None:
        """Note that the last instruction took several values and left one."""
        self.ledger.close_calls(self.height + len(self.stack) - 1)

    def push_text(self, start: int, length: int, limit: int) -> int:
        """Push text of the file; return where it ends."""
        end = start + length
        if end > limit:
            raise ScanStopped("a text does not fit into the rest")
        if length <= SHORT:
            self.stack.append(self.data[start:end].decode("utf-8", "surrogatepass"))
            self.text_at, self.text_end = self.at, end
        else:
            self.stack.append(Text(start, characters(self.data, start, end)))
        return end

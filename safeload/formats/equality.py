"""Whether two objects are the same in every part, as far as a pickler could tell.

Used where a format might lose something silently: the object is read back right after it was written, and
compared with the original.
"""

from __future__ import annotations

import copyreg
import math
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

_BY_IDENTITY = (type, FunctionType, BuiltinFunctionType, ModuleType)
_BY_VALUE = (bool, int, str, bytes, bytearray, range, slice, type(None), type(...))

_NUMPY = ("numpy", "numpy.ma", "numpy.ma.core")


def difference(left: Any, right: Any) -> str | None:
    """Return where two objects first differ, as a path such as ``.steps[0][1].mean_``, or None.

    TypeError if a part cannot be taken apart, so that whether it is the same is not known.
    """
    return _Comparison().compare(left, right, "")


class _Comparison:
    def __init__(self) -> None:
        # Pairs under comparison or done, and the objects themselves, so that no id is used again.
        self._seen: dict[tuple[int, int], tuple[Any, Any]] = {}

    def compare(self, left: Any, right: Any, path: str) -> str | None:
        if left is right:
            return None
        if type(left) is not type(right) or isinstance(left, _BY_IDENTITY):
            return path or "the whole"
        if type(left) is float:
            return None if _same_float(left, right) else path or "the whole"
        if type(left) is complex:
            same = _same_float(left.real, right.real) and _same_float(left.imag, right.imag)
            return None if same else path or "the whole"
        if type(left) in _BY_VALUE:
            return None if left == right else path or "the whole"
        key = (id(left), id(right))
        if key in self._seen:
            return None
        self._seen[key] = (left, right)
        return self._compare_containers(left, right, path)

    def _compare_containers(self, left: Any, right: Any, path: str) -> str | None:
        if type(left) in (list, tuple):
            return self._compare_sequences(left, right, path)
        if type(left) is dict:
            return self._compare_mappings(left, right, path)
        if type(left) in (set, frozenset):
            return None if self._same_elements(left, right) else path or "the whole"
        if type(left).__module__ in _NUMPY and hasattr(left, "dtype") and hasattr(left, "shape"):
            return self._compare_arrays(left, right, path)
        if type(left).__module__ == "numpy.random.mtrand" and hasattr(left, "get_state"):
            # All that its next numbers depend on. The seed of its bit generator is not part of that.
            return self.compare(left.get_state(legacy=False), right.get_state(legacy=False), path)
        if isinstance(left, MethodType):
            return self.compare(left.__func__, right.__func__, path) or self.compare(
                left.__self__, right.__self__, path
            )
        return self._compare_reduced(left, right, path)

    def _same_elements(self, left: Any, right: Any) -> bool:
        """Pair the elements of two sets: first those that are equal, then the rest, such as NaN."""
        if len(left) != len(right):
            return False
        others = {element: element for element in right}
        unpaired = []
        for element in left:
            other = others.pop(element, self)
            if other is self:
                unpaired.append(element)
            elif self.compare(element, other, "") is not None:
                return False
        rest = list(others.values())
        for element in unpaired:
            for index, other in enumerate(rest):
                seen = len(self._seen)
                if self.compare(element, other, "") is None:
                    del rest[index]
                    break
                while len(self._seen) > seen:
                    self._seen.popitem()  # Otherwise the pairs met on the way would count as equal.
            else:
                return False
        return True

    def _compare_sequences(self, left: Any, right: Any, path: str) -> str | None:
        if len(left) != len(right):
            return path or "the whole"
        for index, (one, other) in enumerate(zip(left, right, strict=True)):
            if (found := self.compare(one, other, f"{path}[{index}]")) is not None:
                return found
        return None

    def _compare_mappings(self, left: Any, right: Any, path: str) -> str | None:
        # Order is part of a dict, and comparing keys in order tells 1 from True and from "1".
        if len(left) != len(right):
            return path or "the whole"
        for (one_key, one), (other_key, other) in zip(left.items(), right.items(), strict=True):
            step = f".{one_key}" if isinstance(one_key, str) else f"[{one_key!r}]"
            found = self.compare(one_key, other_key, f"{path} key {one_key!r}") or self.compare(
                one, other, path + step
            )
            if found is not None:
                return found
        return None

    def _compare_arrays(self, left: Any, right: Any, path: str) -> str | None:
        if left.shape != right.shape or not self._same_type(left.dtype, right.dtype, path):
            return path or "the whole"
        if hasattr(left, "fill_value"):
            # A masked array: the fill value that holds, the mask, and also what the mask hides.
            return (
                self.compare(left.fill_value, right.fill_value, f"{path}.fill_value")
                or self.compare(left.mask, right.mask, f"{path}.mask")
                or self.compare(left.data, right.data, path)
            )
        if left.dtype.hasobject and left.dtype.names is None:
            return self._compare_sequences(left.ravel().tolist(), right.ravel().tolist(), path)
        if left.dtype.names is not None:
            # Between the fields there may be padding, whose bytes are arbitrary.
            for name in left.dtype.names:
                if (found := self.compare(left[name], right[name], f"{path}[{name!r}]")) is not None:
                    return found
            return None
        return None if left.tobytes() == right.tobytes() else path or "the whole"

    def _same_type(self, left: Any, right: Any, path: str) -> bool:
        """Tell whether two dtypes are the same; numpy's own comparison ignores metadata and alignment."""
        if left is right:
            return True
        if left != right or left.isalignedstruct != right.isalignedstruct:
            return False
        if self.compare(dict(left.metadata or {}), dict(right.metadata or {}), path) is not None:
            return False
        if left.subdtype is not None:
            return self._same_type(left.subdtype[0], right.subdtype[0], path)
        return all(self._same_type(left[name], right[name], path) for name in left.names or ())

    def _compare_reduced(self, left: Any, right: Any, path: str) -> str | None:
        reduce: Callable[[Any], Any] = copyreg.dispatch_table.get(type(left), _reduced)
        one, other = reduce(left), reduce(right)
        if isinstance(one, str) or isinstance(other, str):
            return None if one == other else path or "the whole"
        if len(one) != len(other):
            return path or "the whole"
        for index, (first, second) in enumerate(zip(one, other, strict=True)):
            if index in (3, 4) and first is not None and second is not None:
                # The items of list and dict subclasses come as iterators.
                first, second = list(first), list(second)
            if (found := self.compare(first, second, path)) is not None:
                return found
        return None


def _reduced(value: Any) -> Any:
    return value.__reduce_ex__(4)


def _same_float(left: float, right: float) -> bool:
    """Tell whether two numbers are the same: 0.0 is not -0.0, and NaN is NaN."""
    if left != left or right != right:
        return left != left and right != right
    return left == right and math.copysign(1, left) == math.copysign(1, right)

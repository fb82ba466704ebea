"""Whether two objects are the same in every part, as far as a pickler could tell.

Used where a format might lose something without a word: the object is read back right after it was written,
and compared with the original.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

_BY_IDENTITY = (type, FunctionType, BuiltinFunctionType, ModuleType)
_BY_VALUE = (bool, int, str, bytes, bytearray, complex, range, slice, type(None), type(...))


def difference(left: Any, right: Any) -> str | None:
    """Return where two objects first differ, as a path such as ``.steps[0][1].mean_``, or None.

    Raises
    ------
    TypeError
        A part cannot be taken apart; whether it is the same cannot be told then.
    """
    return _Comparison().compare(left, right, "")


class _Comparison:
    def __init__(self) -> None:
        # Pairs under comparison or done, and the objects themselves, so that no id is used again.
        self._seen: dict[tuple[int, int], tuple[Any, Any]] = {}

    def compare(self, left: Any, right: Any, path: str) -> str | None:
        if left is right:
            return None
        if type(left) is not type(right):
            return path or "the whole"
        if isinstance(left, _BY_IDENTITY):
            return path or "the whole"
        if isinstance(left, float):
            return None if left == right or (left != left and right != right) else path or "the whole"
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
            # Elements are hashable, so their own equality decides; 1 and True are told apart by type.
            same = {(type(x), x) for x in left} == {(type(x), x) for x in right}
            return None if same else path or "the whole"
        if type(left).__module__ == "numpy" and hasattr(left, "dtype") and hasattr(left, "shape"):
            return self._compare_arrays(left, right, path)
        if type(left).__module__ == "numpy.random.mtrand" and hasattr(left, "get_state"):
            # All that decides about its numbers. The seed of its bit generator is history.
            return self.compare(left.get_state(legacy=False), right.get_state(legacy=False), path)
        if isinstance(left, MethodType):
            return self.compare(left.__func__, right.__func__, path) or self.compare(
                left.__self__, right.__self__, path
            )
        return self._compare_reduced(left, right, path)

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
        if left.dtype != right.dtype or left.shape != right.shape:
            return path or "the whole"
        if left.dtype.hasobject:
            return self._compare_sequences(left.ravel().tolist(), right.ravel().tolist(), path)
        if hasattr(left, "fill_value"):  # a masked array
            return self._compare_reduced(left, right, path)
        if left.dtype.names is not None:
            # Between the fields there may be padding, which is nobody's data.
            for name in left.dtype.names:
                if (found := self.compare(left[name], right[name], f"{path}[{name!r}]")) is not None:
                    return found
            return None
        return None if left.tobytes() == right.tobytes() else path or "the whole"

    def _compare_reduced(self, left: Any, right: Any, path: str) -> str | None:
        one, other = left.__reduce_ex__(4), right.__reduce_ex__(4)
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

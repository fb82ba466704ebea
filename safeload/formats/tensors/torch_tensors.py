"""Plain containers of PyTorch tensors: what they may consist of, and whether two are the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from safeload.errors import SerializationError, brief
from safeload.formats import equality

_VALUES = (type(None), bool, int, float, complex, str, bytes)


def require_plain(obj: Any, path: str = "") -> None:
    """Refuse an object with anything in it but tensors, dicts, lists, tuples, numbers, texts and bytes.

    Raises
    ------
    SerializationError
        With the place.
    """
    import torch

    kind = type(obj)
    if kind in _VALUES:
        return
    if kind in (dict, OrderedDict):
        for key, value in obj.items():
            require_plain(key, f"{path} key {key!r}")
            require_plain(value, f"{path}[{key!r}]")
        for name, value in _attributes(obj).items():
            require_plain(value, f"{path}.{name}")
    elif kind in (list, tuple):
        for position, value in enumerate(obj):
            require_plain(value, f"{path}[{position}]")
    elif kind not in (torch.Tensor, torch.nn.Parameter):
        hint = "Store its state: state_dict()." if hasattr(obj, "state_dict") else 'Use format="joblib".'
        raise SerializationError(
            f"torch's format holds tensors and plain containers, and no {kind.__name__}{_at(path)}", hint=hint
        )
    else:
        require_dense(obj, path)


def require_dense(tensor: Any, path: str) -> None:
    """Refuse a tensor that is more than a type, a shape and values.

    Raises
    ------
    SerializationError
        With the place.
    """
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        raise SerializationError(f"the tensor{_at(path)} is not a dense one with values of its own")
    if vars(tensor):
        names = brief(", ".join(vars(tensor)))
        raise SerializationError(
            f"the tensor has attributes of its own ({names}){_at(path)}", hint="Store tensor.detach()."
        )


def every(obj: Any) -> Iterator[Any]:
    """Yield the tensors in plain containers, in order; one that stands twice comes twice."""
    import torch

    if isinstance(obj, torch.Tensor):
        yield obj
    elif isinstance(obj, dict):
        for part in (*obj, *obj.values(), *_attributes(obj).values()):
            yield from every(part)
    elif isinstance(obj, list | tuple):
        for part in obj:
            yield from every(part)


def _attributes(mapping: dict[Any, Any]) -> dict[str, Any]:
    """Return what hangs on an OrderedDict; on that of a state dict the versions of its modules' states."""
    return vars(mapping) if isinstance(mapping, OrderedDict) else {}


def difference(left: Any, right: Any, path: str = "") -> str | None:
    """Return where two plain containers differ, or None; a tensor by its bytes, wherever it lies."""
    import torch

    if type(left) is not type(right):
        return path or "the whole"
    if isinstance(left, torch.Tensor):
        return None if _same(left, right) else path or "the whole"
    if isinstance(left, dict):
        if (found := equality.difference(list(left), list(right))) is not None:
            return f"the keys of {path or 'the whole'} {found}"
        steps = [(f"[{key!r}]", left[key], right[key]) for key in left]
        one, other = _attributes(left), _attributes(right)
        if one.keys() != other.keys():
            return path or "the whole"
        steps += [(f".{name}", one[name], other[name]) for name in one]
    elif isinstance(left, list | tuple):
        if len(left) != len(right):
            return path or "the whole"
        steps = [
            (f"[{position}]", one, other)
            for position, (one, other) in enumerate(zip(left, right, strict=True))
        ]
    else:
        return None if equality.difference(left, right) is None else path or "the whole"
    for step, one, other in steps:
        if (found := difference(one, other, path + step)) is not None:
            return found
    return None


def _same(left: Any, right: Any) -> bool:
    import torch

    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return bool(torch.equal(_bytes(left), _bytes(right)))


def _bytes(tensor: Any) -> Any:
    """Return a tensor's bytes in order, by which NaN is NaN and 0.0 is not -0.0."""
    import torch

    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8)


def _at(path: str) -> str:
    return f" at {path}" if path else ""

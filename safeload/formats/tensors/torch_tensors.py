"""Plain containers of PyTorch tensors: their allowed contents, exact comparison, and shared storage.

A tensor may be a view of a larger storage, such as one row of a batch. ``torch.save`` writes that storage
whole, including data that were not meant to be stored; :func:`without_hidden_data` removes these.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

from safeload.errors import SerializationError, brief
from safeload.formats import equality

_VALUES = (type(None), bool, int, float, complex, str, bytes)


def require_plain(obj: Any, path: str = "") -> None:
    """Refuse an object that holds anything but tensors, dicts, lists, tuples, numbers, strings and bytes.

    The message of the SerializationError names the place.
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
            f"torch's format holds tensors and plain containers, not a {kind.__name__}{_at(path)}", hint=hint
        )
    else:
        require_dense(obj, path)


def require_dense(tensor: Any, path: str) -> None:
    """Refuse a tensor that its type, shape and values do not fully describe; the message names the place."""
    import torch

    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        raise SerializationError(f"the tensor{_at(path)} is not a dense tensor with values")
    if vars(tensor):
        names = brief(", ".join(vars(tensor)))
        raise SerializationError(
            f"the tensor has additional attributes ({names}){_at(path)}", hint="Store tensor.detach()."
        )


def tensors_in(obj: Any) -> Iterator[Any]:
    """Yield the tensors in plain containers, in order; a repeated one is yielded again."""
    import torch

    if isinstance(obj, torch.Tensor):
        yield obj
    elif isinstance(obj, dict):
        for part in (*obj, *obj.values(), *_attributes(obj).values()):
            yield from tensors_in(part)
    elif isinstance(obj, list | tuple):
        for part in obj:
            yield from tensors_in(part)


def difference(left: Any, right: Any, path: str = "") -> str | None:
    """Return where two plain containers differ, or None. Tensors are compared by their bytes on the CPU."""
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


def grouped(tensors: Iterable[Any]) -> list[list[Any]]:
    """Return tensors grouped by their storage, each once; those without bytes are left out."""
    groups: dict[tuple[str, int, int], dict[int, Any]] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage.nbytes():
            place = (str(tensor.device), storage.data_ptr(), storage.nbytes())
            groups.setdefault(place, {})[id(tensor)] = tensor
    return [list(group.values()) for group in groups.values()]


def sharing(tensors: Iterable[Any]) -> list[int]:
    """Return for each tensor the position of the first one that shares its storage."""
    tensors = list(tensors)
    first = {id(tensor): group[0] for group in grouped(tensors) for tensor in group}
    positions: dict[int, int] = {}
    return [
        positions.setdefault(id(first.get(id(tensor), tensor)), position)
        for position, tensor in enumerate(tensors)
    ]


def overlap(group: list[Any]) -> bool:
    """Tell whether any byte of a group's storage belongs to more than one of its tensors."""
    if len(group) < 2:
        return False
    shown = _no_bytes(group)
    for tensor in group:
        part = _bytes_of(shown, tensor)
        if part.any():
            return True
        part.fill_(True)
    return False


def without_hidden_data(obj: Any) -> Any:
    """Return plain containers, or a copy, whose storages hold no bytes outside of their tensors.

    A tensor with a storage of its own gets one of its size. Tensors that share a storage keep sharing it,
    with zeros for the other bytes.
    """
    tensors = list(tensors_in(obj))
    made = {id(tensor): tensor for tensor in tensors}
    altered = False
    for group in grouped(tensors):
        whole = group[0].untyped_storage().nbytes()
        if any(tensor.is_contiguous() and tensor.nbytes == whole for tensor in group):
            continue
        shown = _no_bytes(group)
        for tensor in group:
            _bytes_of(shown, tensor).fill_(True)
        if shown.all():
            continue
        altered = True
        made |= _alone(group[0]) if len(group) == 1 else _with_zeros(group, shown)
    # Objects in the memo are not copied, so this copies the containers and replaces their tensors.
    return copy.deepcopy(obj, made) if altered else obj


def _attributes(mapping: dict[Any, Any]) -> dict[str, Any]:
    """Return the attributes of an OrderedDict; a state dict has the versions of its modules in one."""
    return vars(mapping) if isinstance(mapping, OrderedDict) else {}


def _same(left: Any, right: Any) -> bool:
    import torch

    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return bool(torch.equal(_bytes(left), _bytes(right)))


def _bytes(tensor: Any) -> Any:
    """Return a tensor's bytes in order; by these NaN equals NaN, and 0.0 differs from -0.0."""
    import torch

    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8)


def _at(path: str) -> str:
    return f" at {path}" if path else ""


def _no_bytes(group: list[Any]) -> Any:
    """Return a mask of the bytes of a group's storage, all False."""
    import torch

    return torch.zeros(group[0].untyped_storage().nbytes(), dtype=torch.bool, device=group[0].device)


def _distinct(tensor: Any) -> Any:
    """Return a tensor without the repeated elements that ``expand`` makes."""
    for dimension, (length, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if stride == 0 and length > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


def _bytes_of(shown: Any, tensor: Any) -> Any:
    """Return the part of a byte mask that belongs to a tensor."""
    part, size = _distinct(tensor.detach()), tensor.element_size()
    strides = (*(stride * size for stride in part.stride()), 1)
    return shown.as_strided((*part.shape, size), strides, part.storage_offset() * size)


def _alone(tensor: Any) -> dict[int, Any]:
    plain = tensor.detach()
    return {id(tensor): _like(tensor, _distinct(plain).clone().expand(plain.shape))}


def _with_zeros(group: list[Any], shown: Any) -> dict[int, Any]:
    import torch

    whole = torch.empty(0, dtype=torch.uint8, device=shown.device).set_(group[0].untyped_storage())
    kept = (whole * shown).untyped_storage()
    made = {}
    for tensor in group:
        view = torch.empty(0, dtype=tensor.dtype, device=shown.device)
        view.set_(kept, tensor.storage_offset(), tensor.shape, tensor.stride())
        # Both are flags of a tensor, not part of its storage.
        view = view.conj() if tensor.is_conj() else view
        view = torch._neg_view(view) if tensor.is_neg() else view
        made[id(tensor)] = _like(tensor, view)
    return made


def _like(tensor: Any, view: Any) -> Any:
    import torch

    if type(tensor) is torch.nn.Parameter:
        return torch.nn.Parameter(view, requires_grad=tensor.requires_grad)
    return view.requires_grad_(tensor.requires_grad)

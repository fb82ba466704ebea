"""The memory that PyTorch tensors lie in: which of them share it, and what of it none of them shows.

A tensor may be a view of a larger memory, such as one row of a batch, and ``torch.save`` writes that memory
whole: data that nobody meant to hand out.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any


def grouped(tensors: Iterable[Any]) -> list[list[Any]]:
    """Return tensors by the memory that they lie in, each once; such as lie in none are left out."""
    groups: dict[tuple[str, int, int], dict[int, Any]] = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        if storage.nbytes():
            place = (str(tensor.device), storage.data_ptr(), storage.nbytes())
            groups.setdefault(place, {})[id(tensor)] = tensor
    return [list(group.values()) for group in groups.values()]


def sharing(tensors: Iterable[Any]) -> list[int]:
    """Return for each tensor the position of the first that lies in the same memory."""
    tensors = list(tensors)
    first = {id(tensor): group[0] for group in grouped(tensors) for tensor in group}
    positions: dict[int, int] = {}
    return [
        positions.setdefault(id(first.get(id(tensor), tensor)), position)
        for position, tensor in enumerate(tensors)
    ]


def overlap(group: list[Any]) -> bool:
    """Tell whether a byte of a group's memory is part of more than one of its tensors."""
    if len(group) < 2:
        return False
    shown = _nothing_shown(group)
    for tensor in group:
        part = _bytes_of(shown, tensor)
        if part.any():
            return True
        part.fill_(True)
    return False


def without_the_unseen(obj: Any, tensors: Iterable[Any]) -> Any:
    """Return an object, or a copy of it whose tensors' memory holds nothing that no tensor shows.

    A tensor that has its memory for itself gets one of its size. Tensors that share one keep sharing it, with
    zeros for the rest.

    Parameters
    ----------
    obj
        Plain containers of tensors.
    tensors
        All tensors in it.
    """
    tensors = list(tensors)
    made = {id(tensor): tensor for tensor in tensors}
    altered = False
    for group in grouped(tensors):
        whole = group[0].untyped_storage().nbytes()
        if any(tensor.is_contiguous() and tensor.nbytes == whole for tensor in group):
            continue
        shown = _nothing_shown(group)
        for tensor in group:
            _bytes_of(shown, tensor).fill_(True)
        if shown.all():
            continue
        altered = True
        made |= _alone(group[0]) if len(group) == 1 else _with_zeros(group, shown)
    # What is in the memo is taken as it is, so that containers are copied and tensors are not.
    return copy.deepcopy(obj, made) if altered else obj


def _nothing_shown(group: list[Any]) -> Any:
    import torch

    return torch.zeros(group[0].untyped_storage().nbytes(), dtype=torch.bool, device=group[0].device)


def _distinct(tensor: Any) -> Any:
    """Return a tensor without the elements that are others once more, as ``expand`` makes them."""
    for dimension, (length, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if stride == 0 and length > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


def _bytes_of(shown: Any, tensor: Any) -> Any:
    """Return the part of a mask of bytes that is a tensor's."""
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
        # Both are notes on a tensor, and not in its memory.
        view = view.conj() if tensor.is_conj() else view
        view = torch._neg_view(view) if tensor.is_neg() else view
        made[id(tensor)] = _like(tensor, view)
    return made


def _like(tensor: Any, view: Any) -> Any:
    import torch

    if type(tensor) is torch.nn.Parameter:
        return torch.nn.Parameter(view, requires_grad=tensor.requires_grad)
    return view.requires_grad_(tensor.requires_grad)

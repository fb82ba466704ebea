"""Schemas of skops files, honest and not."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

from support import archives

Node = dict[str, Any]

COUNTER = iter(range(10_000_000, 1 << 60))


def node(loader: str, name: str, module: str = "builtins", **parts: Any) -> Node:
    """Return a node with an id of its own."""
    return {
        "__class__": name,
        "__module__": module,
        "__loader__": loader,
        **parts,
        "__id__": next(COUNTER),
    }


def text(value: Any) -> Node:
    """Return a plain value."""
    return node("JsonNode", "str", content=json.dumps(value), is_json=True)


def listed(*items: Node) -> Node:
    """Return a list."""
    return node("ListNode", "list", content=list(items))


def type_of(name: str, module: str = "builtins") -> Node:
    """Return a type."""
    return node("TypeNode", name, module)


def mapping(**items: Node) -> Node:
    """Return a dict with text for keys."""
    return node("DictNode", "dict", content=items, key_types=listed(*(type_of("str") for _ in items)))


def file_of(root: Node, members: dict[str, bytes] | None = None, *, protocol: int = 2) -> bytes:
    """Return the skops file of a schema."""
    schema = json.dumps({**root, "protocol": protocol, "_skops_version": "0.16.0"}).encode()
    return archives.archive_of({**(members or {}), "schema.json": schema})


def schema_of(data: bytes) -> Node:
    """Return the schema of a skops file."""
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found: Node = json.loads(archive.read("schema.json"))
    return found


def nodes_of(state: Any) -> Iterator[Node]:
    """Yield every node of a schema."""
    if isinstance(state, dict):
        if "__loader__" in state:
            yield state
        for part in state.values():
            yield from nodes_of(part)
    elif isinstance(state, list):
        for part in state:
            yield from nodes_of(part)


def changed(obj: Any, change: Callable[[Node, dict[str, bytes]], None]) -> bytes:
    """Return the skops file of an object after a change to its schema and members."""
    members = archives.members_of(obj)
    schema = json.loads(members.pop("schema.json"))
    schema = copy.deepcopy(schema)
    change(schema, members)
    return archives.archive_of({**members, "schema.json": json.dumps(schema).encode()})


def with_loader(state: Node, loader: str) -> Node:
    """Return the first node with a loader."""
    return next(found for found in nodes_of(state) if found["__loader__"] == loader)

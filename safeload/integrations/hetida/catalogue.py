"""What the adapter offers, as hetida's front end asks for it: a level of the tree, a search, one entry.

Namespaces and names are thing nodes, ``latest`` and the tags of a name are its sources, and a name, a
namespace and the store itself each have one sink. Only what verifies is listed: a tag by its signed
statement, a name by having such a tag, a namespace by having such a name or by standing in the policy. The
artifact itself is verified when it is loaded, and before only if `artifacts` says so; nothing is deserialized
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

from safeload.errors import KeyringError, NoKeyError, SafeloadError, StorageError
from safeload.integrations.hetida import ids
from safeload.integrations.hetida import policy as _policy
from safeload.integrations.hetida.ids import ROOT, Entry, Name, Namespace, Node, Root, Sink, Source
from safeload.integrations.hetida.policy import AdapterPolicy, PolicySource
from safeload.store import Store
from safeload.store.listing import TagStatus
from safeload.store.names import LATEST

TYPE = "metadata(any)"

# The key of a sink within its node; a node has one.
NEW = "new"

NAME_FILTER, TAG_FILTER = "name", "tag"


class ThingNode(TypedDict):
    """A namespace, a name, or the store itself."""

    id: str
    parentId: str | None
    name: str
    description: str


class Leaf(TypedDict):
    """A source or a sink."""

    id: str
    thingNodeId: str
    name: str
    type: str
    visible: bool
    path: str
    metadataKey: str
    filters: dict[str, dict[str, Any]]


class Structure(TypedDict):
    """One level of the tree."""

    id: str
    name: str
    thingNodes: list[ThingNode]
    sources: list[Leaf]
    sinks: list[Leaf]


class Catalogue:
    """What a store offers under a policy, at the moment of one request.

    Parameters
    ----------
    store
        The store.
    source
        The adapter's policy; see :func:`safeload.integrations.hetida.policy.resolve`.
    adapter_key, title
        The adapter's id and name.
    artifacts
        Read and compare the artifacts too, and not the signed statements alone.

    Raises
    ------
    SafeloadError
        The policy cannot be used; so do all methods if the store or a key cannot.
    """

    def __init__(
        self,
        store: Store,
        source: PolicySource | None,
        *,
        adapter_key: str,
        title: str,
        artifacts: bool = False,
    ) -> None:
        self._store = store
        self._policy: AdapterPolicy = _policy.resolve(source, store.location)
        self._adapter_key = adapter_key
        self._title = title
        self._artifacts = artifacts

    def structure(self, parent: str | None) -> Structure | None:
        """Return the level below a node, the outermost one for None, or nothing if there is no such node."""
        level = Structure(id=self._adapter_key, name=self._title, thingNodes=[], sources=[], sinks=[])
        if parent is None:
            level["thingNodes"].append(self._node(ROOT))
            return level
        node = ids.decode(parent)
        if not isinstance(node, Root | Namespace | Name) or not self._is_there(node):
            return None
        if isinstance(node, Name):
            level["sources"] += self._sources(node.text)
        else:
            level["thingNodes"] += [self._node(child) for child in self._children(node)]
        level["sinks"] += self._sinks(node)
        return level

    def node(self, text: str) -> ThingNode | None:
        """Return a thing node by its id."""
        node = ids.decode(text)
        if not isinstance(node, Root | Namespace | Name) or not self._is_there(node):
            return None
        return self._node(node)

    def source(self, text: str) -> Leaf | None:
        """Return a source by its id."""
        source = ids.decode(text)
        if not isinstance(source, Source) or not self._policy.of_name(source.name).loadable:
            return None
        if source.tag == LATEST or self._artifacts:
            found = any(offered["id"] == text for offered in self._sources(source.name))
        else:
            try:
                self._policy.of_name(source.name).reading(self._store).statement(source.name, source.tag)
            except (StorageError, NoKeyError, KeyringError):
                raise
            except SafeloadError:
                return None  # Not there, or it does not verify: not offered, the one like the other.
            found = True
        return self._source(source.name, source.tag) if found else None

    def sink(self, text: str) -> Leaf | None:
        """Return a sink by its id."""
        sink = ids.decode(text)
        if not isinstance(sink, Sink) or not self._is_there(sink.node):
            return None
        return next(iter(self._sinks(sink.node)), None)

    def sources(self, text: str) -> list[Leaf]:
        """Return the sources whose name and tag have `text` in them, in any case."""
        return [
            source
            for name in sorted(self._store.names())
            for source in self._sources(name)
            if text.casefold() in source["path"].casefold()
        ]

    def sinks(self, text: str) -> list[Leaf]:
        """Return the sinks whose path or name has `text` in it, in any case."""
        nodes: list[Node] = [ROOT]
        pending: list[Root | Namespace] = [ROOT]
        while pending:
            for child in self._children(pending.pop()):
                nodes.append(child)
                if isinstance(child, Namespace):
                    pending.append(child)
        found = [sink for node in nodes for sink in self._sinks(node)]
        return sorted(
            (
                sink
                for sink in found
                if text.casefold() in sink["path"].casefold() or text.casefold() in sink["name"].casefold()
            ),
            key=lambda sink: sink["path"],
        )

    def _verified(self, name: str) -> Iterator[TagStatus]:
        checks = self._policy.of_name(name).reading(self._store).check(name, artifacts=self._artifacts)
        return (found for found in checks if found.refusal is None)

    def _is_offered(self, name: str) -> bool:
        allowed = self._policy.of_name(name)
        return (allowed.loadable or allowed.storable) and any(True for _ in self._verified(name))

    def _is_there(self, node: Node) -> bool:
        match node:
            case Root():
                return True
            case Name(text):
                return self._is_offered(text)
            case Namespace(text):
                inside = f"{text}/"
                return any(f"{named}/".startswith(inside) for named in self._named()) or any(
                    self._is_offered(name) for name in self._store.names(inside)
                )

    def _named(self) -> Iterable[str]:
        """Return the namespaces that take new names even if they are empty."""
        return [text for text, allowed in self._policy.namespaces.items() if allowed.storable]

    def _children(self, node: Root | Namespace) -> list[Namespace | Name]:
        """Return what is directly in a node: namespaces, then names."""
        prefix = f"{node.text}/" if isinstance(node, Namespace) else ""
        namespaces = {
            prefix + text[len(prefix) :].partition("/")[0]
            for text in self._named()
            if text.startswith(prefix)
        }
        names = []
        for name in self._store.names(prefix):
            first, slash, _ = name[len(prefix) :].partition("/")
            if slash:
                if prefix + first not in namespaces and self._is_offered(name):
                    namespaces.add(prefix + first)
            elif self._is_offered(name):
                names.append(name)
        return [*map(Namespace, sorted(namespaces)), *map(Name, sorted(names))]

    def _node(self, node: Node) -> ThingNode:
        match node:
            case Root():
                return ThingNode(
                    id=ids.encode(node), parentId=None, name=self._title, description="All signed objects"
                )
            case Namespace(text):
                description = "Namespace"
            case Name(text):
                description = "Signed object"
        return ThingNode(
            id=ids.encode(node),
            parentId=ids.encode(ids.parent(node)),
            name=text.rpartition("/")[2] or f"{text}/",
            description=description,
        )

    def _sources(self, name: str) -> list[Leaf]:
        """Return ``latest`` if there is one, and the tags of a name, the newest first."""
        if not self._policy.of_name(name).loadable:
            return []
        found = sorted(self._verified(name), key=_newest_first)
        tags = [LATEST] if any(one.latest for one in found) else []
        return [self._source(name, tag) for tag in (*tags, *(one.tag for one in found))]

    def _source(self, name: str, tag: str) -> Leaf:
        return _leaf(Source(name, tag), Name(name), tag, f"{name}/{tag}", key=tag, filters={})

    def _sinks(self, node: Node) -> list[Leaf]:
        """Return the one sink of a node, or none if it takes no objects."""
        match node:
            case Root():
                allowed, title, path = self._policy.default, "New object", self._title
            case Namespace(text):
                allowed, title, path = self._policy.of_namespace(text), "New object", f"{text}/"
            case Name(text):
                allowed, title, path = self._policy.of_name(text), "New version", text
        if not allowed.storable:
            return []
        filters = {TAG_FILTER: _filter("Tag", required=False)}
        if not isinstance(node, Name):
            filters = {NAME_FILTER: _filter("Name", required=True), **filters}
        return [_leaf(Sink(node), node, title, path, key=NEW, filters=filters)]


def _leaf(
    entry: Entry, node: Node, title: str, path: str, *, key: str, filters: dict[str, dict[str, Any]]
) -> Leaf:
    return Leaf(
        id=ids.encode(entry),
        thingNodeId=ids.encode(node),
        name=title,
        type=TYPE,
        visible=True,
        path=path,
        metadataKey=key,
        filters=filters,
    )


def _filter(title: str, *, required: bool) -> dict[str, Any]:
    return {"name": title, "type": "free_text", "required": required}


def _newest_first(found: TagStatus) -> tuple[int, str]:
    sequence = found.statement.sequence if found.statement is not None else None
    return -(sequence or 0), found.tag

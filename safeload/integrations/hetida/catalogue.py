"""What the adapter offers, as hetida's front end requests it: a level of the tree, a search, or one entry.

Namespaces and names are thing nodes, ``latest`` and the tags of a name are its sources, and a name, a
namespace and the store itself each have one sink. Only what verifies is listed: a tag whose signed statement
verifies, a name with such a tag, and a namespace with such a name or in the policy. Artifacts are verified
when they are loaded, and in listings only with `artifacts`. Nothing is deserialized here.
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

# The key of the only sink of a node.
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
    """What a store offers under a policy, for a single request.

    Parameters
    ----------
    store : Store
        The store.
    source : AdapterPolicy, str, os.PathLike or None
        The adapter's policy; see :func:`safeload.integrations.hetida.policy.resolve`.
    adapter_key, title : str
        The adapter's id and name.
    artifacts : bool
        Whether artifacts are read and verified too, and not only their signed statements.

    Raises
    ------
    SafeloadError
        The policy cannot be used. All methods raise it if the store or a key cannot be used.
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
        """Return the level below a node, by default the outermost one; None if the node does not exist."""
        level = Structure(id=self._adapter_key, name=self._title, thingNodes=[], sources=[], sinks=[])
        if parent is None:
            level["thingNodes"].append(self._node(ROOT))
            return level
        node = self._existing(parent)
        if node is None:
            return None
        if isinstance(node, Name):
            level["sources"] += self._sources(node.text)
        else:
            level["thingNodes"] += [self._node(child) for child in self._children(node)]
        level["sinks"] += self._sinks(node)
        return level

    def node(self, text: str) -> ThingNode | None:
        """Return a thing node by its id."""
        node = self._existing(text)
        return self._node(node) if node is not None else None

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
                return None  # Missing or not verified: not offered in both cases.
            found = True
        return self._source(source.name, source.tag) if found else None

    def sink(self, text: str) -> Leaf | None:
        """Return a sink by its id."""
        sink = ids.decode(text)
        if not isinstance(sink, Sink) or not self._exists(sink.node):
            return None
        return next(iter(self._sinks(sink.node)), None)

    def sources(self, text: str) -> list[Leaf]:
        """Return the sources whose path contains `text`, ignoring case."""
        return [
            source
            for name in sorted(self._store.names())
            for source in self._sources(name)
            if text.casefold() in source["path"].casefold()
        ]

    def sinks(self, text: str) -> list[Leaf]:
        """Return the sinks whose path or name contains `text`, ignoring case."""
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

    def _existing(self, text: str) -> Node | None:
        node = ids.decode(text)
        return node if isinstance(node, Root | Namespace | Name) and self._exists(node) else None

    def _verified(self, name: str) -> Iterator[TagStatus]:
        checks = self._policy.of_name(name).reading(self._store).check(name, artifacts=self._artifacts)
        return (found for found in checks if found.refusal is None)

    def _is_offered(self, name: str) -> bool:
        allowed = self._policy.of_name(name)
        return (allowed.loadable or allowed.storable) and any(True for _ in self._verified(name))

    def _exists(self, node: Node) -> bool:
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
        """Return the namespaces in the policy that can be stored in, even if they are empty."""
        return [text for text, allowed in self._policy.namespaces.items() if allowed.storable]

    def _children(self, node: Root | Namespace) -> list[Namespace | Name]:
        """Return the children of a node: namespaces, then names."""
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
        """Return ``latest``, if there is one, and the tags of a name, newest first."""
        if not self._policy.of_name(name).loadable:
            return []
        found = sorted(self._verified(name), key=_newest_first)
        tags = [LATEST] if any(one.latest for one in found) else []
        return [self._source(name, tag) for tag in (*tags, *(one.tag for one in found))]

    def _source(self, name: str, tag: str) -> Leaf:
        return _leaf(Source(name, tag), Name(name), tag, f"{name}/{tag}", key=tag, filters={})

    def _sinks(self, node: Node) -> list[Leaf]:
        """Return the sink of a node, or an empty list if nothing may be stored there."""
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

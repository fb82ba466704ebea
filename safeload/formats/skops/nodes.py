"""Parts of a node of a skops schema, each of the type that it must have, or MalformedError."""

from __future__ import annotations

from typing import Any

from safeload.errors import MalformedError


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, dict):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def listed(value: Any) -> list[dict[str, Any]]:
    """Return a JSON array."""
    if not isinstance(value, list):
        raise MalformedError("a node of the schema lacks a part, or has it of another type")
    return value


def named(content: Any, *keys: str) -> list[dict[str, Any]]:
    """Return the JSON objects under some keys of another."""
    return [mapping(mapping(content)[key]) for key in keys]


def scalar(value: Any) -> Any:
    """Return a bound of a slice, with its type."""
    if value is not None and not isinstance(value, int | float | str):
        raise MalformedError("a slice of the schema has a bound that is no number")
    return type(value), value


def scalar_text(content: Any) -> str:
    """Return the text of a plain value."""
    # A list or dict has a node of its own; here it would escape every count.
    if not isinstance(content, str) or content.lstrip(" \t\r\n")[:1] in ("[", "{", ""):
        raise MalformedError("a plain value of the schema is none")
    return content

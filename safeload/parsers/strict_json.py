"""JSON without a key twice; and the text of a skops schema, no deeper and no costlier than is allowed."""

from __future__ import annotations

import json
import re
from typing import Any

from safeload.errors import LimitExceeded, MalformedError
from safeload.limits import Limits

# What parsing makes of a brace, a bracket and a comma at most, in bytes; and what may be spent beyond the
# schema's own bytes in the file.
_COST = {b"{": 250, b"[": 80, b",": 60}
_COST_FLOOR, _COST_RATIO = 40 << 20, 6
# Up to the next bracket. Possessive: a text has one reading, and a string that does not end goes to the end,
# so that it takes one pass.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+([\[\]{}]|\Z)', re.DOTALL)


def parse(text: bytes, limits: Limits, *, paid: int) -> dict[str, Any]:
    """Return the schema as JSON has it.

    Parameters
    ----------
    text
        The bytes of ``schema.json``.
    limits
        Of its depth.
    paid
        How many bytes of the file it takes; what parsing may cost grows with them.

    Raises
    ------
    LimitExceeded
        It is nested too deep or costs too much.
    MalformedError
        It is not JSON in UTF-8, has a key twice, or is no object.
    """
    if b"\0" in text:
        # By these the JSON reader would tell another encoding.
        raise MalformedError("the schema is not in UTF-8")
    if sum(cost * text.count(token) for token, cost in _COST.items()) > _COST_FLOOR + _COST_RATIO * paid:
        raise LimitExceeded("the schema holds more values than its size justifies")
    depth = 0
    for found in _TO_BRACKET.finditer(text):
        bracket = found[1]
        if bracket in (b"[", b"{"):
            depth += 1
            if depth > limits.nesting:
                raise LimitExceeded(f"the schema is nested deeper than {limits.nesting} levels")
        elif bracket:
            depth -= 1
    try:
        schema = json.loads(text.decode("utf-8"), object_pairs_hook=unique_members)
    except UnicodeDecodeError:
        raise MalformedError("the schema is not in UTF-8") from None
    except (ValueError, RecursionError):
        raise MalformedError("the schema is not JSON, or has a key twice") from None
    if not isinstance(schema, dict):
        raise MalformedError("the schema is not a JSON object")
    return schema


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object without a key twice, of which readers take either; for ``object_pairs_hook``.

    Raises
    ------
    ValueError
        A key stands in it twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found

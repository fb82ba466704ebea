"""Renders an inspection as one self-contained HTML page, without scripts, images or links.

Everything that comes from the file is escaped. A content security policy in the page also forbids the browser
to run or fetch anything, in case an escape is missing.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

from safeload.errors import printable

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --dim: #777 }
:root { --good: #1a7f37; --doubt: #9a6700; --bad: #cf222e }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0 }
th, td { border-bottom: 1px solid var(--line) }
th { font-weight: 600; white-space: nowrap } td { overflow-wrap: anywhere }
code { font: 13px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; color: #fff; font-weight: 600 }
.good { background: var(--good) } .doubt { background: var(--doubt) } .bad { background: var(--bad) }
.dim { color: var(--dim) } ul { list-style: none; padding-left: 1.2rem; border-left: 1px solid var(--line) }
"""
_CLASSES = {
    "data": "good",
    "known types": "good",
    "verified": "good",
    "unknown types": "doubt",
    "malformed": "bad",
    "dangerous": "bad",
    "refused": "bad",
}
# Deeper calls are listed beside the calls that they are part of.
_MAX_DEPTH = 60


def render(found: dict[str, Any]) -> str:
    """Return the page, HTML, of the document that ``safeload inspect --json`` prints."""
    report = found["report"] or {}
    sections = [
        _head(found),
        _table("Signatures", ("key",), ([key] for key in found["key_ids"])),
        _statement(found["statement"]),
        _table(
            "Findings",
            ("verdict", "reason", "offset"),
            ([one["verdict"], one["reason"], one["offset"]] for one in report.get("findings", ())),
        ),
        _table("Header", ("subject", "text"), report.get("facts", ())),
        _table(
            "Names that loading looks up",
            ("name", "offset"),
            ([one["name"], one["offset"]] for one in report.get("globals", ())),
        ),
        _calls(report),
        _table(
            "Arrays",
            ("type", "shape", "bytes", "offset"),
            (
                [one["dtype"], tuple(one["shape"]), one["size"], one["offset"]]
                for one in report.get("arrays", ())
            ),
        ),
        _table(
            "Pickles",
            ("protocol", "from", "to"),
            ([one["protocol"], one["start"], one["end"]] for one in report.get("pickles", ())),
        ),
    ]
    title = _safe(found["path"])
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style></head>\n<body>\n{''.join(sections)}</body></html>\n"
    )


def _safe(value: object) -> str:
    """Return a value as text, escaped for any place in the page."""
    return html.escape(printable(str(value)), quote=True)


def _badge(verdict: str) -> str:
    return f'<span class="verdict {_CLASSES.get(verdict, "bad")}">{_safe(verdict)}</span>'


def _head(found: dict[str, Any]) -> str:
    rows: list[tuple[str, object]] = [
        ("size", f"{found['size']:,} bytes"),
        ("digest", found["digest"]),
        ("looks like", found["looks_like"] or "no known format"),
    ]
    report = found["report"]
    if report is not None and report["compressor"] is not None:
        rows.append(("decompressed", f"{report['unfolded_size']:,} bytes, by {report['compressor']}"))
    if found["message"] is not None:
        rows.append((str(found["error"]), found["message"]))
    verdict = f" contents {_badge(found['verdict'])}" if found["verdict"] is not None else ""
    body = "".join(f"<tr><th>{_safe(name)}</th><td>{_safe(value)}</td></tr>\n" for name, value in rows)
    return (
        f"<h1>{_safe(found['path'])}</h1>\n<p>signature {_badge(found['status'])}{verdict}</p>\n"
        f"<table>\n{body}</table>\n"
    )


def _statement(statement: dict[str, Any] | None) -> str:
    if statement is None:
        return ""
    rows = []
    for field, value in statement.items():
        if field != "environment" and value not in (None, [], {}, ()):
            rows.append([field, ", ".join(map(str, value)) if isinstance(value, list | tuple) else value])
    environment = statement.get("environment") or {}
    return _table("Statement", ("field", "value"), rows) + _table(
        "Provenance", ("part", "version"), environment.items() if isinstance(environment, dict) else ()
    )


def _table(title: str, columns: tuple[str, ...], rows: Iterable[Iterable[object]]) -> str:
    body = []
    for row in rows:
        cells = [
            f"<td>{_badge(str(cell)) if column == 'verdict' else _safe(cell)}</td>"
            for column, cell in zip(columns, row, strict=True)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>\n")
    if not body:
        return ""
    head = "".join(f"<th>{_safe(column)}</th>" for column in columns)
    return f"<h2>{_safe(title)}</h2>\n<table>\n<tr>{head}</tr>\n{''.join(body)}</table>\n"


def _calls(report: dict[str, Any]) -> str:
    """Return the calls as nested lists. They come parents first, so that no recursion is needed."""
    calls = report.get("calls", ())
    if not calls:
        return ""
    lines = ["<h2>Calls</h2>\n<ul>\n"]
    depths: list[int] = []
    depth = 0
    for call in calls:
        own = 0 if call["part_of"] is None else min(depths[call["part_of"]] + 1, _MAX_DEPTH)
        depths.append(own)
        lines.append("<ul>\n" * (own - depth) + "</ul>\n" * (depth - own))
        depth = own
        lines.append(
            f'<li><span class="dim">{_safe(call["how"])}</span> <code>{_safe(call["what"])}</code> '
            f'<code class="dim">{_safe(call["arguments"])}</code></li>\n'
        )
    lines.append("</ul>\n" * (depth + 1))
    if report["calls_left_out"]:
        lines.append(f"<p>and {report['calls_left_out']:,} more</p>\n")
    return "".join(lines)

"""Says of every estimator of scikit-learn which formats take it, and writes that into ``docs/formats.md``.

With safeload's extra ``test`` installed::

    python tools/formats_table.py           # prints the counts
    python tools/formats_table.py --write   # and writes the table

An estimator is fitted on tiny data (``tests/support/estimators.py``). It survives ONNX if its model predicts
the same on them, within 1e-5, and skops if what is read back is equal in every part.
"""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "formats.md"
BEGIN, END = "<!-- table of estimators: begin -->", "<!-- table of estimators: end -->"
PACKAGES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "protobuf", "skops")
TOLERANCE = 1e-5
YES, SINGLE = "yes", "yes, in float32"

# What a refusal says, and what the table says. What comes first holds.
_SHORT = (
    (r"no converter to ONNX", "no converter"),
    (r"neither predicts nor transforms", "neither predicts nor transforms new data"),
    (r"differ in labels or shapes", "predicts other labels, or in another shape"),
    (r"predictions on the sample differ", "predicts other numbers"),
    (r"does not run on the sample", "onnxruntime does not run the model"),
    (r"neither numbers nor texts", "takes neither numbers nor texts"),
    (r"flatten_transform", "its converter needs flatten_transform=False"),
    (r"novelty", "its converter needs novelty=True"),
    (r"radius and n_neighbors", "its converter needs radius=None"),
    (r"did not select any feature", "selects nothing of these data"),
    (r"sparse", "its converter needs dense output"),
    (r"only supports string and int64 categories", "its converter knows categories of numbers as int64 only"),
    (r"UnsupportedType", "skops does not know it"),
    (r"does not keep", "is not kept exactly"),
    (r"cannot be converted to ONNX", "its converter fails"),
)


@dataclass(frozen=True)
class Row:
    """What became of one estimator: "yes" or why not, in each format."""

    name: str
    onnx: str
    skops: str


def survey() -> list[Row]:
    """Return a row for each estimator that there is."""
    import numpy as np

    sys.path.insert(0, str(ROOT / "tests"))
    try:
        from support import estimators
    finally:
        sys.path.pop(0)
    from sklearn.utils import all_estimators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Those that draw numbers without a seed of their own draw the same in each run.
        np.random.seed(0)
        # Not those that another test has fitted.
        fitted = estimators.fitted.__wrapped__()
        names = [name for name, _ in all_estimators()]
        return [_row(name, *fitted[name]) if name in fitted else _untried(name) for name in names]


def _untried(name: str) -> Row:
    return Row(name, "not tried", "not tried")


def _row(name: str, model: Any, data: Any) -> Row:
    return Row(name, _onnx(model, data), _skops(model))


def _onnx(model: Any, data: Any) -> str:
    from safeload import SerializationError
    from safeload.formats.onnx import conversion

    try:
        remark = conversion.convert(model, data, TOLERANCE, None).remark
    except SerializationError as error:
        return f"no: {_short(error.problem)}"
    return SINGLE if "in float32" in remark else YES


def _skops(model: Any) -> str:
    from safeload import HmacKey, SerializationError, dumps

    try:
        dumps(model, format="skops", signer=HmacKey.generate())
    except SerializationError as error:
        return f"no: {_short(error.problem)}"
    return YES


def _short(problem: str) -> str:
    for pattern, text in _SHORT:
        if re.search(pattern, problem):
            return text
    # What stands in brackets are addresses, numbers and other libraries' words.
    return re.sub(r"\(.*\)|0x[0-9a-f]+", "", problem).strip()


def counts(rows: list[Row]) -> dict[str, int]:
    """Return how many estimators there are, were tried, and survive each format."""
    return {
        "estimators": len(rows),
        "tried": sum(row.onnx != "not tried" for row in rows),
        "onnx": sum(row.onnx.startswith(YES) for row in rows),
        "onnx in float32": sum(row.onnx == SINGLE for row in rows),
        "skops": sum(row.skops == YES for row in rows),
    }


def versions() -> str:
    """Return the versions of what takes part."""
    return ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)


def rendered(rows: list[Row]) -> str:
    """Return the table with what it was made of above it."""
    number = counts(rows)
    head = (
        f"Of the {number['estimators']} estimators of scikit-learn {number['tried']} were tried, fitted on "
        f"tiny data. ONNX models of {number['onnx']} predict the same within {TOLERANCE:g} "
        f"({number['onnx in float32']} of them in float32 only); skops keeps {number['skops']} exactly; "
        f"joblib and pickle keep all that were tried.\n\n{versions()}. Written by "
        "`python tools/formats_table.py --write`.\n\n| estimator | ONNX | skops |\n|---|---|---|\n"
    )
    return head + "".join(f"| {row.name} | {row.onnx} | {row.skops} |\n" for row in rows)


def committed() -> str:
    """Return what stands between the marks of the page."""
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN + "\n")
    table, end, _ = rest.partition(END)
    if not end:
        raise SystemExit(f"{PAGE} has no {BEGIN} and {END}")
    return table


def main() -> None:
    """Print the counts; write the table if asked to."""
    rows = survey()
    for what, number in counts(rows).items():
        print(f"{what}: {number}")
    if "--write" in sys.argv[1:]:
        old = committed()
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text.replace(BEGIN + "\n" + old, BEGIN + "\n" + rendered(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()

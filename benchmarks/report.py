"""The table: on the screen, and with a plot in docs/."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measure import Row
from safeload.attestation.digests import processors

DOCS = Path(__file__).parent.parent / "docs"
_PACKAGES = (
    "joblib",
    "numpy",
    "scikit-learn",
    "blake3",
    "skops",
    "modelstamp",
    "model-signing",
    "safetensors",
)
_MARK = {True: "met", False: "missed", None: ""}


def machine() -> str:
    """Return what was measured on."""
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {_model()}, "
        f"{processors()} cores; {', '.join(_versions())}"
    )


def line(row: Row) -> str:
    """Return a row for the screen."""
    return f"{row.what:<76} {row.figure:<34} {row.target:<20} {_MARK[row.met]}".rstrip()


def write(rows: list[Row]) -> None:
    """Write docs/benchmarks.md and, where there are series, docs/benchmarks.png."""
    DOCS.mkdir(exist_ok=True)
    text = [
        "# Benchmarks",
        "",
        "Written by `python -m benchmarks --write` (`pip install -e '.[bench]'`). Each ratio is the median",
        "of 15 pairs, measured in turn in one run, with a warm page cache. The ratios travel better than the",
        "times.",
        "",
        machine() + ".",
        "",
        "| what | measured | target | |",
        "|---|---|---|---|",
        *(f"| {row.what} | {row.figure} | {row.target} | {_MARK[row.met]} |" for row in rows),
        "",
    ]
    series = {name: points for row in rows for name, points in row.series.items()}
    if series:
        _plot(series)
        text += ["![Time of one load as the artifact grows](benchmarks.png)", ""]
    (DOCS / "benchmarks.md").write_text("\n".join(text), encoding="utf-8")


def _plot(series: dict[str, list[tuple[float, float]]]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, points in series.items():
        sizes, seconds = zip(*points, strict=True)
        axes.plot([size / 2**20 for size in sizes], [1000 * second for second in seconds], "o-", label=name)
    axes.set(xscale="log", yscale="log", xlabel="artifact, MiB", ylabel="one load, ms")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(DOCS / "benchmarks.png", dpi=110)


def _versions() -> list[str]:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return found


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next((row.partition(":")[2].strip() for row in lines if row.startswith("model name")), "unknown")

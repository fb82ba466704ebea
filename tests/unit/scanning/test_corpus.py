"""What inspection says of files that attack and of those that do not, and what loading says of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from corpus import benign
from corpus.benign import Benign
from corpus.entry import Technique
from corpus.running import markers, run, written

import safeload

VERDICTS = ("data", "known types", "unknown types", "malformed", "dangerous", "refused")
HARMLESS = ("data", "known types")


@pytest.fixture(scope="module")
def attacks(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Technique]:
    """Write the files that attack."""
    return written(tmp_path_factory.mktemp("attacks"))


@pytest.fixture(scope="module")
def harmless(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Benign]:
    """Write the files that do not."""
    folder = tmp_path_factory.mktemp("harmless")
    files = {}
    for number, one in enumerate(benign.files()):
        path = folder / f"{number:04}{one.suffix}"
        path.write_bytes(one.data)
        files[path] = one
    return files


def verdict_of(path: Path) -> str:
    """Return what inspection says, ``refused`` if it refuses to look; any other exception is a defect."""
    try:
        report = safeload.inspect(path).report
    except safeload.SafeloadError:
        return "refused"
    return report.verdict if report is not None else "refused"


def show(capsys: pytest.CaptureFixture[str], title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print how many files of each category got which verdict."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for category, verdict in rows:
        table[category][verdict] += 1
        table["all"][verdict] += 1
    with capsys.disabled():
        print(f"\n{title:<28}{'files':>6}" + "".join(f"{verdict:>15}" for verdict in VERDICTS))
        for category in (*sorted(set(table) - {"all"}), "all"):
            counts = table[category]
            print(
                f"{category:<28}{counts.total():>6}"
                + "".join(f"{counts[verdict] or '-':>15}" for verdict in VERDICTS)
            )


def test_no_file_that_attacks_is_called_harmless(
    attacks: dict[Path, Technique], capsys: pytest.CaptureFixture[str]
) -> None:
    """None is ``data`` or ``known types``, and inspecting them creates no marker."""
    verdicts = {path: verdict_of(path) for path in attacks}
    show(
        capsys, "files that attack", ((attacks[path].category, verdict) for path, verdict in verdicts.items())
    )
    assert markers(next(iter(attacks)).parent.parent) == set()
    passed = {attacks[path].name: verdict for path, verdict in verdicts.items() if verdict in HARMLESS}
    assert passed == {}


def test_no_harmless_file_is_called_dangerous(
    harmless: dict[Path, Benign], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor malformed, nor refused; and those whose types presets name are ``data`` or ``known types``."""
    verdicts = {path: verdict_of(path) for path in harmless}
    show(
        capsys,
        "files that do no harm",
        ((harmless[path].category, verdict) for path, verdict in verdicts.items()),
    )
    alarms = {
        harmless[path].name: verdict
        for path, verdict in verdicts.items()
        if verdict not in (*HARMLESS, "unknown types")
    }
    assert alarms == {}
    unknown = [harmless[path].name for path, verdict in verdicts.items() if verdict not in HARMLESS]
    assert [one.name for one in harmless.values() if one.named and one.name in unknown] == []


def test_without_a_signature_no_file_that_attacks_is_loaded(attacks: dict[Path, Technique]) -> None:
    """Each is refused with an error of safeload's, and no marker is created."""
    outcomes = run("outcomes", [str(path) for path in attacks], "refuse")
    codes = {name for name in dir(safeload) if isinstance(getattr(safeload, name), type)}
    wrong = {attacks[Path(path)].name: outcome for path, outcome in outcomes.items() if outcome not in codes}
    assert wrong == {}
    assert markers(next(iter(attacks)).parent.parent) == set()


def test_with_a_signature_and_an_allowlist_no_file_that_attacks_does_anything(
    attacks: dict[Path, Technique], capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody with the key signed them all by mistake; every preset is on the list; no marker is created."""
    outcomes = run("outcomes", [str(path) for path in attacks], "admit")
    wrong = {attacks[Path(path)].name: outcome for path, outcome in outcomes.items() if outcome[0].islower()}
    counts = Counter(outcomes.values())
    with capsys.disabled():
        print(f"\nsigned, with an allowlist: {len(outcomes)} files, {dict(counts)}")
    assert set(wrong.values()) <= {"loaded"}
    # What loads consists of what presets name, and does nothing.
    assert markers(next(iter(attacks)).parent.parent) == set()
    assert counts["UntrustedType"] > 200


def test_with_a_signature_and_an_allowlist_harmless_files_load(harmless: dict[Path, Benign]) -> None:
    """All of those whose types presets name."""
    named = {path: one for path, one in harmless.items() if one.named and path.suffix not in (".npy", ".npz")}
    outcomes = run("outcomes", [str(path) for path in named], "admit")
    refused = {named[Path(path)].name: outcome for path, outcome in outcomes.items() if outcome != "loaded"}
    assert refused == {}
    assert len(outcomes) > 500

"""The recipes of docs/hetida.md are right: their code runs, and names and numbers are those of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.hetida_standin import Filtered, configure, hand_on, stand_in
from support.paths import ROOT

from safeload import HmacKey, Keyring, Store
from safeload.integrations.hetida import AdapterPolicy, errors
from safeload.integrations.hetida.errors import CODES, WiringError, failure

DOCS = (ROOT / "docs" / "hetida.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.DOTALL | re.MULTILINE)


def test_the_configuration_and_the_wiring_work(
    key: HmacKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the stand-in: the lines of hetdesrun_config.py, and the JSON of a source."""
    configure(monkeypatch, key, tmp_path / "repo")
    runtime = stand_in(monkeypatch, tmp_path / "repo")
    Store(tmp_path / "repo").dump("x", "plant-a/pump", "1")
    in_place, _, adapter, _ = blocks("python")
    for code in (in_place, adapter):
        exec(code, {})
    given = json.loads(blocks("json")[0])
    wiring = Filtered(
        **{name: given[name] for name in ("ref_id", "ref_id_type", "ref_key", "type", "filters")}
    )
    answer = runtime.run(hand_on, sources={given["workflow_input_name"]: wiring})
    assert answer["output_results_by_output_name"] == {"model": "x"}


def test_the_policy_of_the_page_can_be_loaded(tmp_path: Path) -> None:
    """Unchanged, as a file."""
    path = tmp_path / "hetida.toml"
    path.write_text(blocks("toml")[0], encoding="utf-8")
    path.chmod(0o600)
    policy = AdapterPolicy.load(path)
    assert policy.default.loadable
    assert policy.of_name("plant-a/pump").formats == ("joblib", "skops")


def test_a_key_is_revoked_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key's own id in place of OLDKEYID."""
    monkeypatch.chdir(tmp_path)
    Path("safeload-keys").mkdir(mode=0o700)
    key = HmacKey.generate()
    Keyring.of(key).save("safeload-keys/keyring.json")
    exec(blocks("python")[3].replace("OLDKEYID", key.key_id), {})
    entry = Keyring.load("safeload-keys/keyring.json").find(key.key_id)
    assert entry is not None
    assert entry.state == "revoked"


def test_every_option_that_is_named_exists() -> None:
    """Of the web service and of the commands."""
    help_texts = ""
    for command in (
        ("safeload.integrations.hetida", "--help"),
        *(("safeload", name, "--help") for name in ("keygen", "adopt", "rotate", "ls")),
    ):
        ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=True)
        help_texts += ran.stdout
    text = DOCS.replace("docker compose run --rm --no-deps", "").replace("--entrypoint", "")
    text = re.sub(r"pip install --no-cache-dir", "", text)
    named = set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", text))
    assert named >= {"--host", "--port", "--allow-origin", "--out", "--rotate", "--to", "--apply"}
    assert {option for option in named if option not in help_texts} == set()


def test_the_table_of_errors_is_that_of_the_code() -> None:
    """Every number is listed with the class that hetida makes of it."""
    hetidas = {
        errors.StoreUnavailable: "AdapterConnectionError",
        errors.ObjectRefused: "AdapterOutputDataError",
        errors.WiringInvalid: "AdapterClientWiringInvalidError",
    }
    rows = dict[int, str]()
    for numbers, kind in re.findall(r"^\| ([\d, to]+) \|.*\| (?:`(\w+)`)? ?\|$", DOCS, re.MULTILINE):
        for part in numbers.split(", "):
            first, _, last = part.partition(" to ")
            rows |= dict.fromkeys(range(int(first), int(last or first) + 1), kind)
    for cls, number in CODES.items():
        # Nothing raises the base itself; a runtime that is not known does not start.
        if number not in (100, 180):
            assert rows[number] == hetidas[type(failure(cls("x")))], cls
    assert rows[199] == hetidas[type(failure(ZeroDivisionError()))]
    assert rows[180] == ""
    assert set(rows) == set(CODES.values()) - {100} | {199}
    assert isinstance(failure(WiringError("x")), errors.WiringInvalid)

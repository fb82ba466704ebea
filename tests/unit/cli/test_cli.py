"""The commands: what they print, what they refuse, and their exit status."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import pytest
from support.commands import run, run_json
from support.processes import PATIENCE

import safeload
from safeload import Ed25519PrivateKey, Keyring


@pytest.fixture
def models(tmp_path: Path, ring: Path) -> Path:
    """Make a folder with two signed artifacts, one altered, one unsigned, and one sidecar alone."""
    folder = tmp_path / "models"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.joblib", "deep/b.joblib", "altered.joblib", "gone.joblib"):
        safeload.dump([name], folder / name)
    (folder / "altered.joblib").write_bytes(b"altered")
    (folder / "gone.joblib").unlink()
    joblib.dump([1], folder / "unsigned.joblib")
    (folder / ".x.joblib.0011223344556677.tmp").write_bytes(b"being written")
    (folder / "notes.txt").write_text("no artifact")
    return folder


def test_keygen_makes_what_dump_and_load_then_find(tmp_path: Path) -> None:
    """After `safeload keygen` without arguments everything works, and the file is its owner's alone."""
    status, out, _ = run("keygen", "--json")
    made = json.loads(out)
    assert status == 0
    assert stat.S_IMODE(os.stat(made["keyring"]).st_mode) == 0o600
    safeload.dump("x", tmp_path / "x.joblib")
    assert safeload.load(tmp_path / "x.joblib") == "x"
    assert safeload.inspect(tmp_path / "x.joblib").key_ids == (made["key_id"],)


def test_keygen_does_not_replace_a_keyring(ring: Path) -> None:
    """A second run refuses and names --rotate, which keeps the old key for verifying."""
    before = ring.read_bytes()
    status, _, err = run("keygen", "--out", ring)
    assert (status, ring.read_bytes()) == (1, before)
    assert "--rotate" in err
    status, _, _ = run("keygen", "--out", ring, "--rotate", "--algorithm", "ecdsa-p256")
    assert status == 0
    assert [entry.state for entry in Keyring.load(ring).entries] == ["verify-only", "active"]


def test_keygen_makes_a_keyring_for_loaders(tmp_path: Path) -> None:
    """--public writes the public half only; both files have the name patterns and the expiry."""
    out, public = tmp_path / "ring.json", tmp_path / "public.json"
    arguments = [
        "--algorithm",
        "ed25519",
        "--public",
        public,
        "--name",
        "churn*",
        "--not-after",
        "2099-01-01",
    ]
    assert run("keygen", "--out", out, *arguments)[0] == 0
    (entry,) = Keyring.load(public).entries
    assert not Keyring.load(public).has_secrets
    assert entry.names == ("churn*",)
    assert entry.not_after is not None
    assert '"d"' not in public.read_text()


def test_keygen_env_prints_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is what SAFELOAD_KEY takes."""
    status, out, _ = run("keygen", "--env")
    name, _, value = out.strip().partition("=")
    assert (status, name) == (0, "SAFELOAD_KEY")
    monkeypatch.setenv(name, value)
    artifact, sidecar = safeload.dumps(1)
    assert safeload.loads(artifact, sidecar) == 1
    assert not list(tmp_path.iterdir())
    assert run("keygen", "--env", "--algorithm", "ed25519")[0] == 2


def test_keygen_shows_no_secret(tmp_path: Path) -> None:
    """Only the id of the key is printed."""
    _, out, err = run("keygen", "--out", tmp_path / "ring.json")
    secret = json.loads((tmp_path / "ring.json").read_text())["keys"][0]["k"]
    assert secret not in out + err


def test_one_bad_file_among_many_is_reported_and_the_rest_checked(models: Path) -> None:
    """Verifying a folder reports a different error for each kind of bad file, and verifies the good ones."""
    status, out, _ = run("verify", models, "--recursive", "--json")
    answer = json.loads(out)
    found = {os.path.relpath(row["path"], models): row["error"] for row in answer["files"]}
    assert status == 1
    assert found == {
        "a.joblib": None,
        "altered.joblib": "DigestMismatch",
        "deep/b.joblib": None,
        "gone.joblib": "NotFound",
        "unsigned.joblib": "SignatureMissing",
    }
    assert (answer["verified"], answer["refused"]) == (2, 3)


def test_verify_of_good_files_ends_with_status_0(models: Path) -> None:
    """People see a table and a count."""
    status, out, _ = run("verify", models / "a.joblib", models / "deep" / "b.joblib")
    assert status == 0
    assert "2 verified, 0 refused" in out


def test_wrong_usage_ends_with_status_2(models: Path) -> None:
    """An unknown option, no path, a bad time or bad metadata."""
    for arguments in (
        ["verify"],
        ["verify", "--no-check", models],
        ["sign", models / "unsigned.joblib", "--expires", "soon"],
        ["sign", models / "unsigned.joblib", "--metadata", "[1]"],
        ["frobnicate"],
    ):
        assert run(*arguments)[0] == 2, arguments


def test_a_folder_without_a_signature_is_refused(models: Path) -> None:
    """Its sidecar may have been deleted; without --recursive its files are not checked."""
    status, answer = run_json("verify", models, models / "a.joblib")
    assert status == 1
    assert [row["error"] for row in answer["files"]] == ["SignatureMissing", None]


def test_sign_vouches_for_files_without_loading_them(models: Path) -> None:
    """An unsigned file gets a sidecar with the given fields; a signed one is not changed."""
    arguments = ["--metadata", '{"ticket": 42}', "--expires", "2099-01-01", "--json"]
    status, out, _ = run("sign", models / "unsigned.joblib", models / "a.joblib", *arguments)
    answer = json.loads(out)
    assert status == 1
    assert [row["status"] for row in answer["files"]] == ["signed", "refused"]
    assert answer["files"][1]["error"] == "AlreadyExists"
    statement = safeload.verify(models / "unsigned.joblib")
    assert statement.metadata == {"ticket": 42}
    assert statement.expires is not None
    assert run("sign", models / "altered.joblib", "--overwrite", "--format", "pickle")[0] == 0
    assert safeload.verify(models / "altered.joblib").format == "pickle"


def test_inspect_shows_a_statement_only_when_it_verifies(models: Path) -> None:
    """An altered file shows its bytes and the refusal, and nothing that its sidecar claims."""
    status, out, _ = run("inspect", models / "a.joblib", "--json")
    assert (status, json.loads(out)["statement"]["name"]) == (0, "a.joblib")
    status, out, _ = run("inspect", models / "altered.joblib", "--json")
    answer = json.loads(out)
    assert (status, answer["statement"], answer["error"]) == (1, None, "DigestMismatch")
    out = run("inspect", models / "a.joblib")[1]
    assert "created" in out
    assert "remarks" not in out, "fields without a value are left out"
    status, out, _ = run("inspect", models / "altered.joblib")
    assert status == 1
    assert "DigestMismatch" in out
    assert "created" not in out
    assert run("inspect", models / "missing.joblib")[0] == 1


def test_a_file_name_cannot_act_on_the_terminal(models: Path) -> None:
    """Markup and escape sequences in a name are shown but not interpreted."""
    name = "[red]x\x1b]0;pwned\x07.joblib"
    (models / name).write_bytes(b"x")
    for command in (["verify", models / name], ["sign", models / name], ["inspect", models / name]):
        _, out, err = run(*command)
        assert "\x1b]0" not in out + err
        assert "\x07" not in out + err
        assert "[red]" in (out + err).replace("\n", "")


def test_keyring_and_policy_can_be_named(models: Path, tmp_path: Path) -> None:
    """--keyring and --policy override the environment."""
    Keyring.of(Ed25519PrivateKey.generate()).save(tmp_path / "keys" / "other.json")
    (tmp_path / "keys" / "policy.toml").write_text('formats = ["skops"]')
    for option, file, code in (
        ("--keyring", "other.json", "UnknownKey"),
        ("--policy", "policy.toml", "FormatNotAllowed"),
    ):
        status, out, _ = run("verify", models / "a.joblib", option, tmp_path / "keys" / file, "--json")
        assert status == 1
        assert json.loads(out)["files"][0]["error"] == code


def test_the_module_is_the_command(models: Path) -> None:
    """`python -m safeload` verifies, prints one JSON document and no traceback, and sets the status."""
    for path, status in ((models / "a.joblib", 0), (models / "altered.joblib", 1)):
        ran = subprocess.run(
            [sys.executable, "-m", "safeload", "verify", str(path), "--json"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stderr) == (status, "")
        assert len(json.loads(ran.stdout)["files"]) == 1


def test_without_a_key_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    """NoKeyError is printed with its hint."""
    joblib.dump(1, tmp_path / "x.joblib")
    status, out, _ = run("sign", tmp_path / "x.joblib")
    assert status == 1
    assert "NoKeyError" in out
    assert "safeload keygen" in out.replace("\n", " ")


@pytest.mark.parametrize("patience", [0.0, 3600.0])
def test_a_progress_bar_appears_when_the_work_takes_longer(
    models: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    """It starts only after the time has passed, and never with --json."""
    started: list[str] = []
    genuine = safeload.inspect

    shown = threading.Event()

    def start(bar: object) -> None:
        started.append("bar")
        shown.set()

    def slow(*arguments: object, **named: object) -> object:
        # The work ends once the bar is there, however busy the machine is.
        shown.wait(PATIENCE if patience == 0.0 else 0.2)
        return genuine(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("rich.progress.Progress.start", start)
    monkeypatch.setattr("safeload.cli.common._PROGRESS_AFTER_SECONDS", patience)
    monkeypatch.setattr(safeload, "inspect", slow)
    assert run("verify", models / "a.joblib")[0] == 0
    assert started == (["bar"] if patience == 0.0 else [])
    assert run("verify", models / "a.joblib", "--json")[0] == 0
    assert len(started) <= 1


def test_help_imports_nothing_heavy() -> None:
    """`safeload --help` answers without numpy, joblib, skops or scikit-learn."""
    code = (
        "import sys\nsys.argv = ['safeload', '--help']\n"
        "from safeload.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'joblib', 'skops', 'sklearn'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_verifying_a_folder_passes_nothing_over(models: Path, tmp_path: Path) -> None:
    """Links to folders, artifacts told by their first bytes, and hidden ones are refused."""
    for name in ("altered.joblib", "altered.joblib.sig", "unsigned.joblib", "gone.joblib.sig"):
        (models / name).unlink()
    status, out, _ = run("verify", models, "--recursive", "--json")
    assert (status, json.loads(out)["verified"], json.loads(out)["not_looked_at"]) == (0, 2, 2)
    (models / "linked").symlink_to(tmp_path)
    joblib.dump([1], models / "model.bin")
    joblib.dump([1], models / "packed", compress=3)
    joblib.dump([1], models / ".hidden.joblib")
    (models / "x.txt").write_text("x marks the spot.")
    status, out, _ = run("verify", models, "--recursive", "--json")
    refused = {Path(row["path"]).name: row["error"] for row in json.loads(out)["files"] if row["error"]}
    assert status == 1
    assert refused == {
        "linked": "MalformedError",
        "model.bin": "SignatureMissing",
        "packed": "SignatureMissing",
        ".hidden.joblib": "SignatureMissing",
    }
    assert json.loads(out)["not_looked_at"] == 3
    assert "3 other files have" in run("verify", models, "--recursive")[1]
    for name in (".x.joblib.0011223344556677.tmp", "x.txt"):
        (models / name).unlink()
    assert "1 other file has" in run("verify", models, "--recursive")[1]


def test_verifying_nothing_is_not_in_order(ring: Path, tmp_path: Path) -> None:
    """The folder may have been emptied, or be the wrong one."""
    (tmp_path / "empty").mkdir()
    status, out, _ = run("verify", tmp_path / "empty", "--recursive")
    assert status == 1
    assert "nothing to verify" in out


def test_a_folder_that_cannot_be_read_is_refused(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not skipped."""
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    status, out, _ = run("verify", models, "--recursive", "--json")
    assert status == 1
    assert {"StorageError"} <= {row["error"] for row in json.loads(out)["files"]}


@pytest.mark.parametrize(
    "options",
    [
        ["--metadata", '{"a": NaN}'],
        ["--metadata", '{"a": "\\ud800"}'],
        ["--metadata", "[]"],
        ["--expires", "9999-12-31T23:59:59-10:00"],
        ["--expires", "tomorrow"],
    ],
)
def test_what_cannot_be_signed_along_is_wrong_usage(options: list[str], models: Path) -> None:
    """Exit status 2 and no traceback."""
    assert run("sign", models / "unsigned.joblib", *options)[0] == 2
    assert not (models / "unsigned.joblib.sig").exists()


def test_one_strange_file_does_not_keep_the_others_from_being_signed(models: Path) -> None:
    """Its error is reported and the other file is signed."""
    from support import archives

    strange, good = models / "strange.skops", models / "unsigned.joblib"
    strange.write_bytes(archives.with_schema(b'{"__class__": 7}'))
    status, out, _ = run("sign", strange, good, "--json")
    assert status == 1
    assert [row["status"] for row in json.loads(out)["files"]] == ["refused", "signed"]


def test_a_folder_name_cannot_act_on_the_terminal_either(models: Path) -> None:
    """It is not shown as an emoji either."""
    folder = models / "\x1b]0;pwned\x07"
    folder.mkdir()
    _, out, err = run("verify", folder)
    assert "\x1b]0" not in out + err
    (models / ":skull:.joblib").write_bytes(b"x")
    _, out, err = run("verify", models / ":skull:.joblib")
    assert ":skull:.joblib" in out


@pytest.mark.parametrize("planted", ["blake3.py", "typer.py", "json.py"])
def test_modules_beside_the_artifacts_are_not_run(planted: str, models: Path) -> None:
    """`python -m safeload` can run in the folder of the models."""
    (models / planted).write_text("open('marker', 'w')\n")
    ran = subprocess.run(
        [sys.executable, "-m", "safeload", "verify", "a.joblib", "--json"],
        cwd=models,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not (models / "marker").exists()


def test_many_files_are_verified_by_several_processes(
    tmp_path: Path, ring: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is reported, in order; of many, only the refused ones are shown."""
    from safeload.cli import batch

    monkeypatch.setattr(batch, "_SHARED_FROM", 10)
    monkeypatch.setattr(batch, "processors", lambda: 3)
    monkeypatch.setattr(sys.modules["safeload.cli.verify"], "_MANY", 20)
    (tmp_path / "models").mkdir()
    for number in range(1, 50):
        safeload.dump(number, tmp_path / "models" / f"{number:02}.joblib")
    (tmp_path / "models" / "17.joblib").write_bytes(b"\x80\x05x")
    status, out, _ = run("verify", "-r", tmp_path / "models", "--json")
    answer = json.loads(out)
    names = [Path(row["path"]).name for row in answer["files"]]
    assert names == [f"{number:02}.joblib" for number in range(1, 50)]
    assert [row["path"] for row in answer["files"] if row["status"] == "refused"] == [
        str(tmp_path / "models" / "17.joblib")
    ]
    assert status == 1
    status, out, _ = run("verify", "-r", tmp_path / "models")
    assert "17.joblib" in out
    assert "18.joblib" not in out
    assert "48 verified, 1 refused" in out

"""The commands on stores: ls, verify, rm, rotate, adopt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import joblib
import pytest
from support.commands import run, run_json

import safeload
from safeload import HmacKey, Keyring, Store
from safeload.trust.keys import Entry


@pytest.fixture
def store(tmp_path: Path, ring: Path) -> Store:
    """Make a store with three tags."""
    made = Store(tmp_path / "models" / "store")
    made.dump([1], "churn", "1")
    made.dump([2], "churn", "2", metadata={"auc": 0.9})
    made.dump({"x": 1}, "plant-a/pump", "2026-11-24", format="skops")
    return made


def spoil(store: Store, name: str = "churn") -> None:
    """Overwrite the artifacts of a name."""
    for path in Path(store.location, name).glob("*.joblib"):
        path.write_bytes(b"x")


def test_ls_shows_the_tags(store: Store) -> None:
    """As a table, and as JSON."""
    status, out, _ = run("ls", store.location)
    assert status == 0
    for text in ("churn", "plant-a/pump", "2026-11-24", "skops", "verified", "←"):
        assert text in out
    status, answer = run_json("ls", store.location)
    rows = {(row["name"], row["tag"]): row for row in answer["tags"]}
    assert (status, set(rows)) == (0, {("churn", "1"), ("churn", "2"), ("plant-a/pump", "2026-11-24")})
    assert [row["tag"] for row in answer["tags"] if row["latest"]] == ["2", "2026-11-24"]
    assert rows["churn", "2"]["metadata"] == {"auc": 0.9}
    assert rows["churn", "2"]["keys"]


def test_ls_of_a_name_or_a_namespace(store: Store) -> None:
    """An unknown name gives an empty list."""
    assert [row["tag"] for row in run_json("ls", store.location, "churn")[1]["tags"]] == ["1", "2"]
    (row,) = run_json("ls", store.location, "--prefix", "plant-a/")[1]["tags"]
    assert row["name"] == "plant-a/pump"
    assert run_json("ls", store.location, "nothing")[1]["tags"] == []


def test_the_store_is_that_of_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """``MODEL_REPO_PATH`` names it, as for dump_obj."""
    monkeypatch.setenv("MODEL_REPO_PATH", store.location)
    assert len(run_json("ls")[1]["tags"]) == 3


def test_ls_reports_what_does_not_verify(store: Store) -> None:
    """The exit status is 1, and the other tags are listed too."""
    store.dump(1, "churn", "old", expires=datetime.now(UTC) - timedelta(days=1))
    Path(store.location, "churn", "1.sig").write_bytes(b"{}")
    status, answer = run_json("ls", store.location, "churn")
    assert (status, answer["refused"]) == (1, 2)
    assert {row["tag"]: row["error"] for row in answer["tags"]} == {
        "1": "MalformedError",
        "2": None,
        "old": "Expired",
    }
    assert "Expired" in run("ls", store.location)[1]


def test_verify_takes_a_store(store: Store, tmp_path: Path) -> None:
    """Named directly, or found below a folder that holds other things too."""
    safeload.dump(1, tmp_path / "models" / "plain.joblib")
    status, answer = run_json("verify", store.location, "--recursive")
    assert (status, answer["verified"], answer["refused"]) == (0, 3, 0)
    status, answer = run_json("verify", tmp_path / "models", "--recursive")
    assert (status, answer["verified"], answer["refused"]) == (0, 4, 0)
    assert "4 verified, 0 refused" in run("verify", tmp_path / "models", "-r")[1]
    assert run("verify", store.location)[0] == 1


def test_verify_reads_the_artifacts_of_a_store(store: Store) -> None:
    """Changed bytes are detected."""
    spoil(store)
    status, answer = run_json("verify", store.location, "-r")
    assert (status, answer["verified"], answer["refused"]) == (1, 1, 2)
    assert {row["error"] for row in answer["files"] if row["error"]} == {"DigestMismatch"}


def test_verify_refuses_files_that_nothing_signed_accounts_for(store: Store, tmp_path: Path) -> None:
    """Making a folder look like a store does not hide files in it."""
    for path in ("evil.joblib", "churn/evil.joblib", "churn/1.0123456789abcdef.joblib"):
        Path(store.location, path).write_bytes(b"x")
    status, answer = run_json("verify", store.location, "-r")
    assert (status, answer["verified"], answer["refused"]) == (1, 3, 3)
    plain = tmp_path / "plain"
    (plain / "x").mkdir(parents=True)
    joblib.dump(1, plain / "unsigned.joblib")
    (plain / "x" / "latest.sig").write_bytes(b"")
    status, answer = run_json("verify", plain, "-r")
    assert (status, answer["verified"]) == (1, 0)


def test_verify_notices_a_rollback(store: Store) -> None:
    """The state folder of the user who runs it shows that."""
    pointer = Path(store.location, "churn", "latest.sig")
    old = pointer.read_bytes()
    store.dump([3], "churn", "3")
    assert run_json("verify", store.location, "-r")[0] == 0
    pointer.write_bytes(old)
    status, answer = run_json("verify", store.location, "-r")
    assert status == 1
    assert [row["error"] for row in answer["files"] if row["error"]] == ["RollbackDetected"]


def test_rm_deletes_a_tag(store: Store) -> None:
    """It moves latest, or refuses with --keep-latest."""
    status, answer = run_json("rm", store.location, "churn", "2", "--keep-latest")
    assert (status, answer["error"]) == (1, "StoreError")
    status, answer = run_json("rm", store.location, "churn", "2")
    assert (status, answer["status"]) == (0, "deleted")
    assert (store.load("churn"), store.latest("churn")) == ([1], "1")
    assert run_json("rm", store.location, "churn", "2")[1]["error"] == "NotFound"
    assert run("rm", store.location, "churn", "latest")[0] == 1


def test_rotate_signs_anew(store: Store, ring: Path) -> None:
    """After `keygen --rotate`; a second run finds nothing to do."""
    status, made = run_json("keygen", "--rotate", "--out", ring)
    assert status == 0
    assert run_json("rotate", store.location, "--to", made["key_id"][:12]) == (
        0,
        {"signed": 5, "kept": 0, "refused": []},
    )
    assert "5 already signed by that key" in run("rotate", store.location, "--to", made["key_id"])[1]
    rows = run_json("ls", store.location)[1]["tags"]
    assert {tuple(row["keys"]) for row in rows} == {(made["key_id"],)}
    assert run_json("rotate", store.location, "--to", "nothing")[1]["error"] == "KeyringError"


def test_rotate_reports_what_does_not_verify(store: Store, ring: Path) -> None:
    """The other tags are signed."""
    new = HmacKey.generate()
    loaded = Keyring.load(ring).with_entry(Entry(key=new, state="active"))
    loaded.save(ring, overwrite=True)
    Path(store.location, "churn", "1.sig").write_bytes(b"{}")
    status, answer = run_json("rotate", store.location, "--to", new.key_id)
    assert (status, answer["signed"], len(answer["refused"])) == (1, 4, 1)
    assert answer["refused"][0]["error"] == "MalformedError"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Make an unsigned repository."""
    folder = tmp_path / "old"
    folder.mkdir()
    for name, tag in (("model", "v1"), ("model", "v2"), ("a_b", "c")):
        joblib.dump([name, tag], folder / f"{name}_{tag}")
    (folder / "model_latest").symlink_to(folder / "model_v1")
    return folder


def test_adopt_shows_first_and_does_when_told(old: Path, ring: Path, tmp_path: Path) -> None:
    """A dry run changes nothing, --apply adopts, and a second run skips everything."""
    target = tmp_path / "adopted"
    status, out, _ = run("adopt", old, "--into", target)
    assert status == 1
    assert "Nothing was changed" in out
    assert not target.exists()
    status, answer = run_json("adopt", old, "--into", target, "--split", "last")
    assert (status, answer["planned"], answer["adopted"]) == (0, 3, 0)
    assert not target.exists()
    status, answer = run_json("adopt", old, "--into", target, "--split", "last", "--apply")
    assert (status, answer["adopted"], answer["skipped"], answer["refused"]) == (0, 3, 0, 0)
    store = Store(target)
    assert (store.load("model"), store.load("a_b", "c")) == (["model", "v1"], ["a_b", "c"])
    status, answer = run_json("adopt", old, "--into", target, "--split", "last", "--apply")
    assert (status, answer["adopted"], answer["skipped"]) == (0, 0, 3)


def test_adopt_reports_what_files_refer_to(old: Path, ring: Path, tmp_path: Path) -> None:
    """The table has an excerpt, and the JSON document has all of it."""
    (old / "evil_1").write_bytes(b"cos\nsystem\n(Vtrue\ntR.")
    status, answer = run_json("adopt", old, "--into", tmp_path / "adopted", "--split", "last")
    (row,) = [row for row in answer["files"] if row["name"] == "evil"]
    assert (status, row["globals"], row["globals_complete"]) == (0, ["os.system"], True)
    out = run("adopt", old, "--into", tmp_path / "adopted")[1]
    assert "os.system" in out
    assert "nothing" in out


def test_a_command_without_a_key_says_how_to_get_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 1, and the error names the command."""
    monkeypatch.delenv("SAFELOAD_KEYRING")
    status, _, err = run("ls", store.location)
    assert status == 1
    assert "safeload keygen" in err
    assert run_json("ls", store.location)[1]["error"] == "NoKeyError"


@pytest.mark.parametrize("command", ["ls", "rm", "rotate"])
def test_a_folder_that_is_not_there_is_told(command: str, ring: Path, tmp_path: Path) -> None:
    """It is not listed as an empty store."""
    extra = {"ls": [], "rm": ["a", "1"], "rotate": ["--to", "x"]}[command]
    status, answer = run_json(command, tmp_path / "nothing", *extra)
    assert (status, answer["error"]) == (1, "NotFound")


@pytest.mark.parametrize("command", ["ls", "rm", "rotate"])
def test_a_location_that_is_no_store_is_told(command: str, ring: Path) -> None:
    """It is an error, not a traceback."""
    extra = {"ls": [], "rm": ["a", "1"], "rotate": ["--to", "x"]}[command]
    status, answer = run_json(command, "ftp://host/x", *extra)
    assert (status, answer["error"]) == (1, "StoreError")


def test_verify_takes_a_bucket(s3_endpoint: str, ring: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named by its URL; obstore's own variables hold endpoint and credentials."""
    import uuid

    from support import places

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    location = f"s3://{places.BUCKET}/{uuid.uuid4().hex}"
    Store(location).dump([1], "churn", "1")
    status, answer = run_json("verify", location)
    assert (status, answer["verified"]) == (0, 1)
    assert len(run_json("ls", location)[1]["tags"]) == 1

"""``safeload sign`` and ``safeload verify`` with model folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.commands import run, run_json
from support.every_format import contents_of, sidecar_of

import safeload

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders need the descriptors of POSIX")

FILES = {"saved_model.pb": b"graph", "variables/variables.data": b"w" * 100}


@pytest.fixture
def models(tmp_path: Path, ring: Path) -> Path:
    """Return a folder with an unsigned model folder in it."""
    for relative, data in FILES.items():
        (tmp_path / "models" / "churn" / relative).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "models" / "churn" / relative).write_bytes(data)
    return tmp_path / "models"


def errors(answer: dict[str, list[dict[str, str]]], below: Path) -> dict[str, str | None]:
    """Return the error of each path that a command has checked."""
    return {os.path.relpath(row["path"], below): row["error"] for row in answer["files"]}


def test_sign_signs_a_folder_whole_and_verify_verifies_it(models: Path) -> None:
    """It can be named with a slash at the end; the sidecar lies beside it."""
    status, answer = run_json("sign", f"{models / 'churn'}/", "--metadata", '{"ticket": 42}')
    (row,) = answer["files"]
    assert (status, answer["signed"], row["format"], row["size"]) == (0, 1, "folder", 105)
    assert contents_of(models).keys() == {"churn.sig", *(f"churn/{path}" for path in FILES)}
    for path in (models / "churn", f"{models / 'churn'}/"):
        status, answer = run_json("verify", path)
        assert (status, answer["verified"], answer["refused"]) == (0, 1, 0)
        assert answer["files"][0]["format"] == "folder"
    status, out, _ = run("verify", models / "churn")
    assert status == 0
    assert "1 verified, 0 refused" in out
    assert safeload.verify(models / "churn").metadata == {"ticket": 42}


def test_sign_does_not_replace_the_sidecar_of_a_folder(models: Path) -> None:
    """With --overwrite, the folder is signed as it is now."""
    assert run("sign", models / "churn")[0] == 0
    (models / "churn" / "new").write_bytes(b"")
    status, answer = run_json("sign", models / "churn")
    assert (status, answer["files"][0]["error"]) == (1, "AlreadyExists")
    assert run("verify", models / "churn")[0] == 1
    assert run("sign", models / "churn", "--overwrite")[0] == 0
    assert run("verify", models / "churn")[0] == 0


def test_sign_refuses_a_folder_that_cannot_be_signed(models: Path) -> None:
    """The file is named, and the other paths are signed."""
    (models / "out").mkdir()
    (models / "out" / "weights").symlink_to("/etc/hostname")
    (models / "empty").mkdir()
    status, answer = run_json("sign", models / "out", models / "empty", models / "churn")
    assert status == 1
    assert [row.get("error") for row in answer["files"]] == ["MalformedError", "FormatNotAllowed", None]
    assert not sidecar_of(models / "out").exists()


@pytest.mark.parametrize("recursive", [False, True])
def test_verify_refuses_a_folder_in_which_anything_was_altered(recursive: bool, models: Path) -> None:
    """An extra file, a missing one, and changed bytes, for a folder named directly or found in another."""
    run("sign", models / "churn")
    command = ("verify", "-r", models) if recursive else ("verify", models / "churn")
    for alter in (
        lambda model: (model / "hook.py").write_bytes(b""),
        lambda model: (model / "saved_model.pb").write_bytes(b"grapf"),
        lambda model: (model / "variables" / "variables.data").unlink(),
    ):
        assert run(*command)[0] == 0
        alter(models / "churn")
        status, answer = run_json(*command)
        assert status == 1
        assert errors(answer, models) == {"churn": "DigestMismatch"}
        _, out, _ = run(*command)
        assert "DigestMismatch" in out
        for path in contents_of(models / "churn").keys() - FILES.keys():
            (models / "churn" / path).unlink()
        for path, data in FILES.items():
            (models / "churn" / path).write_bytes(data)


def test_verify_of_a_tree_takes_a_signed_folder_as_one(models: Path) -> None:
    """Its files are not checked one by one, and its sidecar is not taken for that of a missing file."""
    run("sign", models / "churn")
    safeload.dump([1], models / "a.joblib")
    (models / "churn" / "inner.joblib").write_bytes(b"N.")
    run("sign", models / "churn", "--overwrite")
    status, answer = run_json("verify", "-r", models)
    assert (status, errors(answer, models)) == (0, {"a.joblib": None, "churn": None})


def test_verify_of_a_tree_reports_what_becomes_of_a_folder_without_its_sidecar(models: Path) -> None:
    """The files that make it a model, or look like artifacts, are unsigned; others are fine."""
    run("sign", models / "churn")
    sidecar_of(models / "churn").unlink()
    safeload.dump([1], models / "a.joblib")
    status, answer = run_json("verify", "-r", models)
    assert (status, answer["not_looked_at"]) == (1, 1)
    assert errors(answer, models) == {"a.joblib": None, "churn/saved_model.pb": "SignatureMissing"}
    (models / "churn" / "saved_model.pb").rename(models / "churn" / "weights.parquet")
    status, answer = run_json("verify", "-r", models)
    assert errors(answer, models) == {"a.joblib": None, "churn/weights.parquet": "SignatureMissing"}
    # Named directly, it is refused, and the other path is still checked.
    status, answer = run_json("verify", models / "churn", models / "a.joblib")
    assert (status, errors(answer, models)) == (1, {"churn": "SignatureMissing", "a.joblib": None})


def test_verify_of_a_tree_reports_a_sidecar_without_its_folder(models: Path) -> None:
    """A signed folder that was deleted, or replaced by a file, is reported."""
    run("sign", models / "churn")
    (models / "churn").rename(models / "hidden")
    status, answer = run_json("verify", "-r", models)
    missed = {"churn": "SubjectMismatch", "hidden/saved_model.pb": "SignatureMissing"}
    assert (status, errors(answer, models)) == (1, missed)
    (models / "churn").write_bytes(b"")
    status, answer = run_json("verify", "-r", models)
    assert (status, errors(answer, models)) == (1, missed)


def test_a_folder_that_is_named_like_a_sidecar_hides_nothing(models: Path) -> None:
    """The folder beside it is still expected to be signed."""
    run("sign", models / "churn")
    sidecar_of(models / "churn").unlink()
    sidecar_of(models / "churn").mkdir()
    safeload.dump([1], models / "a.joblib")
    status, answer = run_json("verify", "-r", models)
    assert (status, errors(answer, models)) == (1, {"a.joblib": None, "churn": "MalformedError"})


def test_a_broken_sidecar_does_not_make_a_folder_one_of_files(models: Path) -> None:
    """A dangling link, rubbish, or a folder in its place is a sidecar that does not verify."""
    run("sign", models / "churn")
    sidecar = sidecar_of(models / "churn")
    sidecar.unlink()
    for put in (
        lambda: sidecar.symlink_to("nowhere"),
        lambda: sidecar.write_bytes(b"rubbish"),
    ):
        put()
        for command in (("verify", models / "churn"), ("verify", "-r", models)):
            status, answer = run_json(*command)
            assert (status, errors(answer, models)) == (1, {"churn": "MalformedError"})
        sidecar.unlink()
    sidecar.mkdir()
    status, answer = run_json("verify", models / "churn")
    assert (status, errors(answer, models)) == (1, {"churn": "MalformedError"})


def test_names_in_a_folder_do_not_reach_the_terminal_as_they_are(models: Path) -> None:
    """An attacker who can write to the folder chooses them."""
    run("sign", models / "churn")
    (models / "churn" / "a\u202egpj.exe").touch()
    _, out, err = run("verify", models / "churn")
    assert "\\u202e" in out + err
    assert "\u202e" not in out + err
    (models / "churn" / "b\x1b[2J").touch()
    _, out, err = run("verify", models / "churn")
    assert "\x1b[2J" not in out + err
    assert "InvalidName" in out
    assert json.loads(run("verify", models / "churn", "--json")[1])["refused"] == 1

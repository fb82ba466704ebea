"""Runs the demo and prints its steps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from safeload.cli.common import REFUSED, JsonOption, console, print_json, print_table


def demo(json: JsonOption = False) -> None:
    """Train, sign and load a real model, then attack it and show how each attack is refused."""
    with tempfile.TemporaryDirectory(prefix="safeload-demo-") as folder:
        rows = _play(Path(folder), Console(quiet=True) if json else console())
    failed = [row for row in rows if not row["good"]]
    if json:
        print_json({"steps": rows, "failed": len(failed)})
    else:
        _conclude(rows, failed)
    if failed:
        raise typer.Exit(REFUSED)


def _play(root: Path, screen: Console) -> list[dict[str, Any]]:
    import safeload
    from safeload.cli.demo.attacks import ATTACKS, load_skops_by_allowlist
    from safeload.cli.demo.scene import Scene

    screen.print("[bold]A model, a key, a signature[/]")
    scene = Scene.set_up(root)
    path = scene.models / "churn.joblib"
    rows: list[dict[str, Any]] = []

    def step(what: str, result: str, *, good: bool, attack: bool = False) -> None:
        rows.append({"what": what, "attack": attack, "result": result, "good": good})
        mark = "[green]✔[/]" if good else "[bold red]✘[/]"
        screen.print(f"  {mark} {what:<50} {'[yellow]' if attack else '[dim]'}{result}[/]", soft_wrap=True)

    statement = safeload.dump(scene.pipeline, path, keyring=scene.keyring)
    safeload.dump(scene.forest, scene.models / "forest.joblib", keyring=scene.keyring)
    step("train on 426 tumours, store and sign the model", f"{statement.size:,} bytes", good=True)
    verified = safeload.verify(path, keyring=scene.keyring)
    step("verify it, without loading it", str(verified.digest)[:19] + "…", good=verified == statement)
    model = safeload.load(path, keyring=scene.keyring)
    same = bool((scene.predictions(model) == scene.predictions(scene.pipeline)).all())
    step("load it and predict", f"{scene.accuracy(model):.1%} correct", good=same)

    screen.print("\n[bold]Now an attacker can write to the folder[/]")
    for attack in ATTACKS:
        refused = attack(scene)
        what = (attack.__doc__ or "").rstrip(".")
        code = getattr(refused, "code", refused)
        step(
            what[0].lower() + what[1:],
            f"refused: {code}" if code else "NOT REFUSED",
            good=code is not None,
            attack=True,
        )
    same = load_skops_by_allowlist(scene)
    step("load the same skops file with its types allowed", "loaded", good=same)
    return rows


def _conclude(rows: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    attacks = [row for row in rows if row["attack"]]
    groups = (("attacks", attacks), ("legitimate uses", [row for row in rows if not row["attack"]]))
    console().print()
    print_table(("", "tried", "refused", "as expected"), (_summary(name, some) for name, some in groups))
    if failed:
        console().print("[bold red]safeload did not keep its promise here. Please report this.[/]")
    else:
        console().print(
            "Next: [bold]safeload keygen[/] makes your key; then use safeload.dump and safeload.load."
        )


def _summary(name: str, rows: list[dict[str, Any]]) -> tuple[str, ...]:
    good = sum(row["good"] for row in rows)
    refused = sum(row["result"].startswith("refused") for row in rows)
    colour = "green" if good == len(rows) else "bold red"
    return name, str(len(rows)), str(refused), f"[{colour}]{good} of {len(rows)}[/]"

"""Plays the demo and tells it, to people or to machines."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from safeload.cli.options import JsonOption
from safeload.cli.output import REFUSED, console, print_json, table


def demo(json: JsonOption = False) -> None:
    """Train, sign, verify and load a real model; then attack it in every way and see each refused."""
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
    step("load it and predict", f"{scene.accuracy(model):.1%} right", good=same)

    screen.print("\n[bold]Now the attacker can write the folder[/]")
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
    step("the same skops file, its types on the allowlist", "loaded", good=same)
    return rows


def _conclude(rows: list[dict[str, Any]], failed: list[dict[str, Any]]) -> None:
    attacks = [row for row in rows if row["attack"]]
    listing = table(None, ("", "tried", "refused", "good"))
    for name, some in (("attacks", attacks), ("honest uses", [row for row in rows if not row["attack"]])):
        good = sum(row["good"] for row in some)
        refused = sum(row["result"].startswith("refused") for row in some)
        colour = "green" if good == len(some) else "bold red"
        listing.add_row(name, str(len(some)), str(refused), f"[{colour}]{good} of {len(some)}[/]")
    screen = console()
    screen.print()
    screen.print(listing)
    if failed:
        screen.print("[bold red]safeload did not do what it promises here. Please report this.[/]")
    else:
        screen.print("Next: [bold]safeload keygen[/] makes your key; then safeload.dump and safeload.load.")

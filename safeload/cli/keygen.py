"""``safeload keygen``: make a key and the keyring that holds it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from safeload.cli.common import JsonOption, console, moment, print_json, refuse, safe, wrong_usage
from safeload.errors import SafeloadError

Algorithm = Literal["hmac", "ed25519", "ecdsa-p256", "ecdsa-p384"]


def keygen(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Keyring file; by default in your configuration folder."),
    ] = None,
    algorithm: Annotated[
        Algorithm, typer.Option(help="With ed25519 and ecdsa, loaders need only the public key.")
    ] = "hmac",
    public: Annotated[
        Path | None,
        typer.Option("--public", metavar="FILE", help="Also write a keyring without secrets, for loaders."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="PATTERN", help="Limit the key to names that match; repeatable."),
    ] = None,
    not_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Time at which the key expires (ISO 8601).")
    ] = None,
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="Add the key to an existing keyring; older keys then only verify."),
    ] = False,
    env: Annotated[
        bool, typer.Option("--env", help="Print SAFELOAD_KEY=… and write no file (hmac only).")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a key, and write it to a keyring file that only you can read."""
    from safeload.trust.keys import Entry, HmacKey, Keyring, sources
    from safeload.trust.keys.asymmetric import PrivateKey

    if env:
        if algorithm != "hmac" or out or public or rotate:
            wrong_usage("--env makes an hmac key and writes no file")
        typer.echo(f"{sources.KEY_VARIABLE}={base64.b64encode(HmacKey.generate().export_secret()).decode()}")
        return
    target = out or Path(sources.default_path())
    ends = moment(not_after, "--not-after")
    try:
        key = _generate(algorithm)
        entry = Entry(key=key, state="active", not_after=ends, names=tuple(name) if name else None)
        keyring = Keyring.load(target).with_entry(entry) if rotate else Keyring([entry])
        loaders = keyring.public() if public is not None else None
        if out is None:
            os.makedirs(target.parent, mode=0o700, exist_ok=True)
        # The public file comes first: if it cannot be written, no secret has been written either.
        if public is not None and loaders is not None:
            loaders.save(public, overwrite=rotate)
        keyring.save(target, overwrite=rotate)
    except FileExistsError as error:
        if isinstance(error, SafeloadError):
            error.hint = "Use --rotate to add a key to it, or --out to write another file."
            refuse(error, as_json=json)
        raise
    except SafeloadError as error:
        refuse(error, as_json=json)
    if json:
        print_json(
            {
                "keyring": str(target),
                "public": str(public) if public else None,
                "key_id": key.key_id,
                "algorithm": key.algorithm,
            }
        )
        return
    screen = console()
    screen.print(f"[green]Made[/] a key for {key.algorithm}: [bold]{key.key_id[:12]}…[/]")
    screen.print(f"  keyring      {safe(target)}  (mode 0600; keep it secret)", soft_wrap=True)
    if public is not None:
        screen.print(f"  for loaders  {safe(public)}  (contains no secret)", soft_wrap=True)
    elif not isinstance(key, PrivateKey):
        screen.print("  Anyone who has this key can sign as well as verify.")
    if out is not None:
        screen.print(f"  To use it, set {sources.KEYRING_VARIABLE}={safe(target.absolute())}", soft_wrap=True)


def _generate(algorithm: Algorithm) -> Any:
    from safeload.trust.keys import EcdsaP256PrivateKey, EcdsaP384PrivateKey, Ed25519PrivateKey, HmacKey

    kinds: dict[str, Any] = {
        "hmac": HmacKey,
        "ed25519": Ed25519PrivateKey,
        "ecdsa-p256": EcdsaP256PrivateKey,
        "ecdsa-p384": EcdsaP384PrivateKey,
    }
    return kinds[algorithm].generate()

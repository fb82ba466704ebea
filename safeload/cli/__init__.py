"""The command ``safeload``: thin, with no security decision of its own."""


def main() -> None:
    """Run the command line; exit status 0 all good, 1 something was refused, 2 wrong usage."""
    from safeload.cli.app import app

    app()

"""The command ``safeload``: a thin layer over the library that makes no security decision of its own.

This module imports the standard library only. ``python -m`` runs it while the working folder, whose files may
be an attacker's, is still on the import path.
"""

import os
import sys


def main() -> None:
    """Run the command line.

    The exit status is 0 if everything is in order, 1 if something was refused, and 2 for wrong usage.
    """
    from safeload.cli.app import app

    app()


def leave_out_working_folder() -> None:
    """Take the working folder off the import path, where ``python -m`` puts it first.

    It may be the very folder whose files are to be verified, and a module planted there would run. Only a
    checkout of safeload that is not installed stays on the path.
    """
    if sys.flags.safe_path or not sys.path or os.path.realpath(sys.path[0]) != os.path.realpath(os.getcwd()):
        return
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    if os.path.realpath(sys.path[0]) != home:
        del sys.path[0]

"""The path of imports of ``python -m``: without the working folder.

Python puts the working folder first on the path of imports then. That may be the very folder whose files are
to be verified, and a module planted there would run.
"""

import os
import sys


def leave_out_working_folder() -> None:
    """Take the working folder off the path of imports, unless it is a checkout that is not installed."""
    if sys.flags.safe_path or not sys.path or os.path.realpath(sys.path[0]) != os.path.realpath(os.getcwd()):
        return
    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    if os.path.realpath(sys.path[0]) != home:
        del sys.path[0]

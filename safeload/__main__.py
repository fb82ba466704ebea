"""``python -m safeload`` is the command ``safeload``.

Python puts the working folder first on the path of imports then. That may be the very folder whose files are
to be verified, and a module planted there would run; so it is taken off again.
"""

import os
import sys

if not sys.flags.safe_path and sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(os.getcwd()):
    # Unless this is a checkout that is not installed.
    _home = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if os.path.realpath(sys.path[0]) != _home:
        del sys.path[0]

from safeload.cli import main

if __name__ == "__main__":
    main()

"""With which flags files and folders are opened, in one place; and how all of a view is written to one.

A flag that a system does not have is left out there. ``O_NOFOLLOW`` is what keeps a name that an attacker may
have replaced by a link from leading elsewhere.
"""

from __future__ import annotations

import os

_ALWAYS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

# A file to be read that somebody else may have put there. O_NONBLOCK: opening a FIFO returns at once instead
# of waiting for a writer; on a regular file it has no effect.
READ_FILE = os.O_RDONLY | _ALWAYS | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
# A file that must not be there yet.
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS | _NO_LINK
# A folder that the caller names, by a link perhaps; and one that is found in it.
FOLDER = os.O_RDONLY | _ALWAYS | getattr(os, "O_DIRECTORY", 0)
FOLDER_BELOW = FOLDER | _NO_LINK


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of `data` to an open file, however much of it the system takes at once; an OSError else."""
    while len(data):
        data = data[os.write(descriptor, data) :]

"""Private memory for the bytes of one large file, on huge pages where the system gives them.

A fresh page costs more than reading what goes into it, and a large file needs a hundred thousand of them; so
the system is asked for huge ones. The mapping starts at a page, so that what is aligned in the file is
aligned in memory.
"""

from __future__ import annotations

import contextlib
import mmap

_ANONYMOUS = getattr(mmap, "MAP_ANONYMOUS", None)
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)


class PrivateMemory:
    """Memory of a fixed size that nobody else has.

    Parameters
    ----------
    size
        In bytes; at least one.

    Raises
    ------
    OSError
        There is not that much.
    """

    __slots__ = ("view",)

    def __init__(self, size: int) -> None:
        if _ANONYMOUS is None:
            mapping = mmap.mmap(-1, size)
        else:
            # Without these flags the memory would be shared with forked processes, and on small pages.
            mapping = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | _ANONYMOUS)
        if _HUGE is not None:
            with contextlib.suppress(OSError):  # A kernel without huge pages; small ones do.
                mapping.madvise(_HUGE)
        # The view keeps the mapping; it ends with the last array that looks into it.
        self.view = memoryview(mapping)

"""Name, tag and ``latest``, on top of artifacts; on a local folder or in a bucket."""

from safeload.store.listing import TagStatus
from safeload.store.model_repo import dump_obj, load_obj
from safeload.store.store import Store

__all__ = ["Store", "TagStatus", "dump_obj", "load_obj"]

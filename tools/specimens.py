"""Objects whose dumps bring in the names that a preset needs, as far as the installed libraries have them.

Each group is a generator of its own: what one version of a library does not have is passed over there, and
the union over versions (see ``presets.py``) has it from another.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import importlib
import pathlib
import sys
import uuid
import warnings
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "tests"))

from support import estimators

X, CLASSES, NUMBERS = estimators.X, estimators.CLASSES, estimators.NUMBERS


def attempt(make: Callable[..., Any], *arguments: Any, **named: Any) -> Iterator[Any]:
    """Yield what `make` returns, or nothing where this version cannot make it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield make(*arguments, **named)
        except Exception:
            return  # This version has it not, or not with these parameters.


def standard_library() -> Iterator[Any]:
    """Yield data types of Python's own."""
    yield from ({1, 2}, frozenset({1}), 1j, bytearray(b"x"), slice(1, 2), range(3), object())
    yield from (collections.OrderedDict(a=1), collections.Counter("ab"), collections.deque([1]))
    yield collections.defaultdict(list, a=[1])
    yield from (collections.defaultdict(kind) for kind in (int, float, set, dict, tuple, str, bool))
    yield from (datetime.date(2026, 1, 2), datetime.time(1, 2), datetime.datetime(2026, 1, 2))
    yield from (datetime.timedelta(1), datetime.UTC, datetime.timezone(datetime.timedelta(hours=1)))
    yield datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    yield from (decimal.Decimal("1.5"), uuid.UUID(int=1), Ellipsis, NotImplemented)
    yield datetime.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    yield from (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"))
    yield [int, float, bool, str, bytes, list, dict, tuple, set, complex, object]


def numpy_arrays() -> Iterator[Any]:
    """Yield arrays, scalars and dtypes of every kind, generators, polynomials."""
    for code in "?bhilqBHILQefdgFDG":
        yield from (np.zeros(3, code), np.dtype(code).type(1), np.dtype(code), np.dtype(code).type)
    yield from (np.array(["a"]), np.array([b"a"]), np.str_("a"), np.bytes_(b"a"))
    yield from (np.datetime64("2026-01-02"), np.timedelta64(1, "D"), np.array(["2026-01-02"], "M8[ns]"))
    yield from (np.array([1, "a", None, {2}], object), np.empty((2, 2), object), np.dtype(object))
    structured = np.dtype([("a", "i4"), ("b", "f8", (2,))])
    yield from (structured, np.zeros(2, structured), np.zeros(2, structured)[0], np.dtype("V8"))
    yield from (np.zeros(2, structured).view(np.recarray), np.zeros(2, structured).view(np.recarray)[0])
    yield from (np.ma.array([1.0, 2.0], mask=[0, 1]), np.ma.masked, np.zeros((2, 2)).view(np.matrix))
    yield from attempt(lambda: np.ma.mrecords.fromarrays([np.arange(2)]))
    yield from attempt(lambda: np.ma.zeros(2, structured)[0])
    yield from attempt(lambda: np.array(["a"], np.dtypes.StringDType()))
    yield from (np.asfortranarray(np.zeros((3, 3))), np.zeros((4, 4))[::2], np.array(1.0), np.zeros(0))
    yield from (np.poly1d([1, 2]), np.finfo, np.iinfo)
    for name in ("Polynomial", "Chebyshev", "Legendre", "Laguerre", "Hermite", "HermiteE"):
        yield getattr(np.polynomial, name)([1, 2])
    yield from (np.random.RandomState(0), np.random.default_rng(0), np.random.SeedSequence(1))
    for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        yield from (getattr(np.random, name)(0), np.random.Generator(getattr(np.random, name)(0)))
    yield [value for value in vars(np).values() if isinstance(value, np.ufunc)]


def scipy_objects() -> Iterator[Any]:
    """Yield sparse matrices, spatial trees, splines, results of optimizers, ufuncs, distributions."""
    import scipy.interpolate
    import scipy.optimize
    import scipy.sparse
    import scipy.spatial
    import scipy.special
    import scipy.stats

    for kind in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
        for suffix in ("_matrix", "_array"):
            yield from attempt(lambda: getattr(scipy.sparse, kind + suffix)(np.eye(3)))
    for make in (scipy.spatial.cKDTree, scipy.spatial.KDTree):
        yield from attempt(make, X)
    yield from attempt(lambda: scipy.spatial.transform.Rotation.from_euler("z", 1.0))
    line, values = np.arange(8.0), np.arange(8.0) ** 2
    for name in (
        *("interp1d", "UnivariateSpline", "InterpolatedUnivariateSpline", "LSQUnivariateSpline"),
        *("CubicSpline", "PchipInterpolator", "Akima1DInterpolator", "BarycentricInterpolator"),
        *("KroghInterpolator", "make_interp_spline", "make_smoothing_spline", "BPoly", "PPoly"),
    ):
        yield from attempt(lambda: getattr(scipy.interpolate, name)(line, values))
    yield scipy.interpolate.PPoly(np.ones((2, 3)), np.arange(4.0))
    yield scipy.interpolate.BPoly(np.ones((2, 3)), np.arange(4.0))
    yield scipy.interpolate.RegularGridInterpolator((line, line), np.outer(values, values))
    yield from attempt(scipy.interpolate.RBFInterpolator, X[:, :2], NUMBERS)
    yield from attempt(scipy.interpolate.NearestNDInterpolator, X[:, :2], NUMBERS)
    yield from attempt(scipy.interpolate.RectBivariateSpline, line, line, np.outer(values, values))
    yield scipy.optimize.OptimizeResult(x=1.0)
    yield from attempt(scipy.optimize.LinearConstraint, np.eye(2), 0, 1)
    yield from attempt(scipy.optimize.Bounds, [0.0], [1.0])
    # These run their own state; recorded, so that the review has something to refuse.
    yield from (scipy.stats.uniform(0, 1), scipy.stats.randint(1, 5), scipy.stats.norm, scipy.stats.poisson)
    found = [value for value in vars(scipy.special).values() if isinstance(value, np.ufunc)]
    yield from (value for value in found)


def pandas_objects() -> Iterator[Any]:
    """Yield frames, indexes and arrays of every dtype, offsets, periods, intervals."""
    import pandas as pd

    days = pd.date_range("2026-01-01", periods=3)
    yield from (pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", "y"], "d": [True, False]}),)
    yield from (pd.Series([1, 2]), pd.Series(["a", None]), pd.Series(days), pd.Series(dtype="object"))
    yield from (days, days.tz_localize("UTC"), pd.Series(days.tz_localize("UTC")), days - days[0])
    for zone in ("Europe/Berlin", "dateutil/Europe/Berlin", zoneinfo.ZoneInfo("America/New_York")):
        yield from attempt(lambda: pd.Series(days.tz_localize(zone)))
        yield from attempt(lambda: pd.Timestamp("2026-01-01", tz=zone))
    yield days.tz_localize(datetime.timezone(datetime.timedelta(hours=2)))
    yield from (pd.period_range("2026-01", periods=3, freq="M"), pd.Period("2026-01", "M"), pd.NaT, pd.NA)
    yield from (pd.Timestamp("2026-01-01"), pd.Timedelta("1D"), pd.Interval(0, 1), pd.RangeIndex(3))
    yield from (pd.interval_range(0, 3), pd.Series(pd.interval_range(0, 3)), pd.Index([1]), pd.Index(["a"]))
    yield from (pd.MultiIndex.from_product([[1, 2], ["a", "b"]]), pd.CategoricalIndex(["a", "b", "a"]))
    yield from (pd.Categorical(["a", "b"], ordered=True), pd.Series(["a", "b"], dtype="category"))
    sized = [f"{kind}{bits}" for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)]
    for kind in (*sized, "Float32", "Float64", "boolean", "string"):
        values = ["a", None] if kind == "string" else [1, None]
        yield from attempt(lambda: pd.Series(values, dtype=kind))
        yield from attempt(lambda: pd.Index(values, dtype=kind))
    yield from attempt(lambda: pd.Series(["a", None], dtype="str"))
    yield from (pd.Series(pd.arrays.SparseArray([0, 0, 1])), pd.SparseDtype("float64"))
    yield pd.arrays.SparseArray([0, 0, 1], kind="block")
    yield from (pd.CategoricalDtype(["a"]), pd.DatetimeTZDtype(tz="UTC"), pd.PeriodDtype("D"))
    yield from (pd.IntervalDtype("int64"), pd.StringDtype(), pd.Int64Dtype(), pd.BooleanDtype())
    yield from attempt(lambda: pd.arrays.NumpyExtensionArray(np.arange(2)))
    yield from attempt(lambda: pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False))
    offsets = pd.tseries.offsets
    for name in offsets.__all__:
        arguments = {"weekday": 0} if "FY5253" in name or name in ("LastWeekOfMonth",) else {}
        if "FY5253" in name:
            arguments |= {"startingMonth": 1, "variation": "last"}
        yield from attempt(lambda: getattr(offsets, name)(**arguments))
    yield offsets.DateOffset(months=1)
    yield from attempt(lambda: pd.tseries.holiday.USFederalHolidayCalendar)
    for frequency in ("B", "MS", "W", "D", "h", "QS", "YS"):
        yield from attempt(lambda: pd.date_range("2026-01-01", periods=3, freq=frequency))
    yield from attempt(lambda: pd.DataFrame({"a": [1]}).describe)


def sklearn_objects() -> Iterator[Any]:
    """Yield every estimator that fits, and what parameters bring in: losses, kernels, distances, scorers."""
    import scipy.special
    import sklearn.calibration
    import sklearn.compose
    import sklearn.experimental.enable_halving_search_cv
    import sklearn.metrics
    import sklearn.model_selection as selection
    import sklearn.svm
    from sklearn import datasets, ensemble, feature_selection, gaussian_process, linear_model, neighbors
    from sklearn import preprocessing as pre
    from sklearn.gaussian_process import kernels

    yield from (model for model, _ in estimators.fitted().values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for loss in linear_model.SGDClassifier.loss_functions:
            yield from attempt(lambda: linear_model.SGDClassifier(loss=loss).fit(X, CLASSES))
        for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
            yield from attempt(lambda: linear_model.SGDRegressor(loss=loss).fit(X, NUMBERS))
        three = np.arange(40) % 3
        for loss in (
            *("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"),
            *("log_loss", "exponential"),
        ):
            for cls in (ensemble.GradientBoostingRegressor, ensemble.GradientBoostingClassifier):
                for target in (np.abs(NUMBERS) + 0.1, CLASSES, three):
                    yield from attempt(lambda: cls(loss=loss, n_estimators=2).fit(X, target))
            for cls in (ensemble.HistGradientBoostingRegressor, ensemble.HistGradientBoostingClassifier):
                for target in (np.abs(NUMBERS) + 0.1, CLASSES, three):
                    yield from attempt(lambda: cls(loss=loss, quantile=0.5, max_iter=2).fit(X, target))
                    yield from attempt(lambda: cls(loss=loss, max_iter=2).fit(X, target))
        for power in (0, 1, 1.5, 2, 3):
            for link in ("log", "identity"):
                yield from attempt(
                    lambda: linear_model.TweedieRegressor(power=power, link=link).fit(
                        X, np.abs(NUMBERS) + 0.1
                    )
                )
        for cls in (ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor):
            for criterion in ("squared_error", "absolute_error", "friedman_mse", "poisson"):
                yield from attempt(lambda: cls(2, criterion=criterion).fit(X, np.abs(NUMBERS)))
        for init in ("zero", ensemble.RandomForestRegressor(2)):
            yield from attempt(
                lambda: ensemble.GradientBoostingRegressor(init=init, n_estimators=2).fit(X, NUMBERS)
            )
    base = kernels.RBF()
    yield from (base, kernels.ConstantKernel(), kernels.WhiteKernel(), kernels.Matern())
    yield from (kernels.RationalQuadratic(), kernels.ExpSineSquared(), kernels.DotProduct())
    yield from (kernels.PairwiseKernel(), kernels.CompoundKernel([base]), base + base, base * base, base**2)
    yield from attempt(lambda: gaussian_process.GaussianProcessClassifier(base).fit(X, CLASSES))
    yield from attempt(lambda: gaussian_process.GaussianProcessClassifier(base).fit(X, np.arange(40) % 3))
    metrics = importlib.import_module("sklearn.metrics._dist_metrics")
    named = dict(getattr(metrics, "METRIC_MAPPING64", {}) or getattr(metrics, "METRIC_MAPPING", {}))
    extra: dict[str, dict[str, Any]] = {
        "minkowski": {"p": 3},
        "p": {"p": 3},
        "wminkowski": {"p": 3, "w": np.ones(4)},
        "seuclidean": {"V": np.ones(4)},
        "mahalanobis": {"VI": np.eye(4)},
    }
    for name in named:
        if name == "pyfunc":  # calls what it is given
            continue
        arguments = extra.get(name, {})
        for kind in (np.float64, np.float32):
            yield from attempt(lambda: sklearn.metrics.DistanceMetric.get_metric(name, kind, **arguments))
        for make in (neighbors.KDTree, neighbors.BallTree):
            yield from attempt(lambda: make(np.round(X), metric=name, **arguments))
    for module in (neighbors._kd_tree, neighbors._ball_tree):
        yield [value for value in vars(module).values() if isinstance(value, type)]
    for name in sklearn.metrics.get_scorer_names():
        yield sklearn.metrics.get_scorer(name)
    yield from sklearn.metrics.pairwise.PAIRWISE_DISTANCE_FUNCTIONS.values()
    yield from sklearn.metrics.pairwise.PAIRWISE_KERNEL_FUNCTIONS.values()
    for name in ("f_classif", "f_regression", "chi2", "mutual_info_classif", "mutual_info_regression"):
        yield feature_selection.SelectKBest(getattr(feature_selection, name), k=2).fit(X, CLASSES)
    yield feature_selection.SelectKBest(feature_selection.r_regression, k=2)
    for name in selection.__all__:
        cls = getattr(selection, name)
        if isinstance(cls, type) and hasattr(cls, "split"):
            yield from attempt(cls, *([2] if name in ("LeavePOut", "LeavePGroupsOut") else []))
    yield from attempt(lambda: selection.PredefinedSplit([0, 1]))
    functions = [np.log1p, np.expm1, np.sqrt, np.exp, np.log, np.square, np.abs, scipy.special.expit]
    yield from (pre.FunctionTransformer(function).fit(X) for function in functions)
    yield from (datasets.load_iris(), datasets.load_iris(as_frame=True))
    for decision in ("ovo", "ovr"):
        yield from attempt(
            lambda: sklearn.svm.SVC(decision_function_shape=decision, probability=True).fit(X, CLASSES)
        )
    for method in ("isotonic", "sigmoid", "temperature"):
        yield from attempt(
            lambda: sklearn.calibration.CalibratedClassifierCV(method=method, cv=2).fit(X, CLASSES)
        )
    yield from attempt(lambda: sklearn.compose.make_column_selector(pattern="a", dtype_include=np.number))
    for cls in (pre.OneHotEncoder, pre.OrdinalEncoder, pre.TargetEncoder):
        for kind in (np.float64, np.float32, object):
            yield from attempt(lambda: cls(categories=[[1, 2]]).fit([[kind(1)], [kind(2)]], [0, 1]))
    # In RandomizedSearchCV distributions are usual; they are recorded and refused.
    import scipy.stats

    yield from attempt(
        lambda: selection.RandomizedSearchCV(
            linear_model.Ridge(), {"alpha": scipy.stats.uniform(0, 1)}, n_iter=2, cv=2
        ).fit(X, NUMBERS)
    )


def xgboost_objects() -> Iterator[Any]:
    """Yield models of every class and booster."""
    import xgboost as xgb

    for booster in ("gbtree", "gblinear", "dart"):
        yield from attempt(lambda: xgb.XGBClassifier(n_estimators=2, booster=booster).fit(X, CLASSES))
        yield from attempt(lambda: xgb.XGBRegressor(n_estimators=2, booster=booster).fit(X, NUMBERS))
    yield from attempt(lambda: xgb.XGBRFClassifier(2).fit(X, CLASSES))
    yield from attempt(lambda: xgb.XGBRFRegressor(2).fit(X, NUMBERS))
    yield from attempt(lambda: xgb.XGBRanker(n_estimators=2).fit(X, CLASSES, group=[20, 20]))
    yield from attempt(lambda: xgb.XGBClassifier(n_estimators=2).fit(X, np.arange(40) % 3))
    yield from attempt(lambda: xgb.train({}, xgb.DMatrix(X, NUMBERS), 2))
    yield from (xgb.XGBClassifier(), xgb.XGBRegressor(), xgb.XGBRanker())
    stopping = attempt(lambda: xgb.callback.EarlyStopping(2))
    for callback in stopping:
        yield from attempt(
            lambda: xgb.XGBRegressor(n_estimators=2, callbacks=[callback]).fit(
                X, NUMBERS, eval_set=[(X, NUMBERS)]
            )
        )


def lightgbm_objects() -> Iterator[Any]:
    """Yield models of every class and booster."""
    import lightgbm as lgb

    for kind in ("gbdt", "dart", "rf"):
        named = {"n_estimators": 2, "boosting_type": kind, "verbose": -1}
        if kind == "rf":
            named |= {"bagging_freq": 1, "bagging_fraction": 0.5}
        yield from attempt(lambda: lgb.LGBMClassifier(**named).fit(X, CLASSES))
        yield from attempt(lambda: lgb.LGBMRegressor(**named).fit(X, NUMBERS))
    yield from attempt(lambda: lgb.LGBMClassifier(n_estimators=2, verbose=-1).fit(X, np.arange(40) % 3))
    yield from attempt(lambda: lgb.LGBMRanker(n_estimators=2, verbose=-1).fit(X, CLASSES, group=[20, 20]))
    yield from attempt(lambda: lgb.train({"verbose": -1}, lgb.Dataset(X, NUMBERS), 2))
    yield from (lgb.LGBMClassifier(), lgb.LGBMRegressor(), lgb.LGBMRanker())
    yield from attempt(
        lambda: lgb.LGBMRegressor(n_estimators=2, verbose=-1).fit(X, NUMBERS, eval_set=[(X, NUMBERS)])
    )


GROUPS: tuple[Callable[[], Iterator[Any]], ...] = (
    standard_library,
    numpy_arrays,
    scipy_objects,
    pandas_objects,
    sklearn_objects,
    xgboost_objects,
    lightgbm_objects,
)

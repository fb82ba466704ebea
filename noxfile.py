"""Tests beside packages that are too large, or ask for other versions, for one environment.

``nox -s torch`` and the like make an environment and run its files of ``tests/stacks/`` in it. Versions are
pinned, so that what fails is ours.
"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"

# What tests/support needs, which these tests use too.
TESTS = ("pytest>=8", "hypothesis>=6.100")


def run(session: nox.Session, *files: str) -> None:
    """Run those of the files that there are; a session without any fails."""
    there = [file for file in (f"tests/stacks/{name}" for name in files) if Path(file).exists()]
    if not there:
        session.error("there is no file of tests for it")
    # Its own folder for what tests write: other runs clear up in the shared one meanwhile.
    folder = Path(session.create_tmp()).resolve() / "pytest"
    session.env["SAFELOAD_STACK"] = session.name
    session.run("pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={folder}", *there, *session.posargs)


@nox.session
def torch(session: nox.Session) -> None:
    """State dicts of PyTorch."""
    session.install("-e", ".[torch,safetensors]", *TESTS, "torch==2.13.0", "numpy")
    run(session, "test_torch.py", "test_every_format.py")


@nox.session
def tensorflow(session: nox.Session) -> None:
    """Keras models, SavedModels, and Keras models as ONNX."""
    session.install("-e", ".[keras]", *TESTS, "tensorflow-cpu==2.21.*", "tf2onnx==1.17.*", "onnxruntime")
    session.env["TF_CPP_MIN_LOG_LEVEL"] = "3"
    run(session, "test_tensorflow.py", "test_keras_onnx.py", "test_every_format.py")


@nox.session
def onnx2tf(session: nox.Session) -> None:
    """ONNX models as TensorFlow's, by a converter that pins older packages of both."""
    session.install(
        *("-e", ".[onnx2tf]", *TESTS, "onnx2tf==1.29.*", "tf2onnx==1.17.*", "onnxruntime"),
        *("tensorflow-cpu==2.19.*", "tf_keras==2.19.*", "numpy==1.26.*"),
    )
    session.env["TF_CPP_MIN_LOG_LEVEL"] = "3"
    run(session, "test_onnx2tf.py")

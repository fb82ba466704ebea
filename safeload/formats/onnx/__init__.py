"""ONNX models: limits, external data, conversion with a comparison of predictions.

The names below are for the rooms above; the modules are private to this package.
"""

from safeload.formats.onnx.comparison import Comparison as Comparison
from safeload.formats.onnx.comparison import compare as compare
from safeload.formats.onnx.saved_model import convert_saved_model as convert_saved_model
from safeload.formats.onnx.saved_model import load_saved_model as load_saved_model
from safeload.formats.onnx.saved_model import write_saved_model as write_saved_model

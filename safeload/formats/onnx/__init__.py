"""ONNX models: limits, external data, conversion with a comparison of predictions."""

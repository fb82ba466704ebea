"""Arrays and tensors: safetensors, numpy, PyTorch, Keras."""

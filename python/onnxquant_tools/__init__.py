"""Tools around onnxquant: model export, model runs and comparisons for tests and demos."""

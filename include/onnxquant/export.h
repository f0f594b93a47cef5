// Marks what a shared library shows: all else in it is hidden.
#ifndef ONNXQUANT_EXPORT_H_
#define ONNXQUANT_EXPORT_H_

#define ONNXQUANT_EXPORT __attribute__((visibility("default")))

#endif  // ONNXQUANT_EXPORT_H_

// Converts a model as a built-in policy says: convert MODEL.onnx POLICY FOLDER
#include <iostream>

#include "onnxquant/quantize.h"

int main(int argc, char** argv) {
  if (argc != 4) return 1;
  const auto report = onnxquant::Quantize(argv[1], {.policy = argv[2], .output = argv[3]}, {});
  if (!report.ok()) return std::cerr << report.status().message() << "\n", 2;
  for (const auto& output : report->outputs) {
    std::cout << output.files.front().name << ": " << output.TotalBytes() << " bytes\n";
  }
}

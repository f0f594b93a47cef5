#include "lib/runtime/ort_runner.h"
#include "tools/program.h"

int main(int argc, char** argv) {
  return onnxquant::cli::RunProgram(argc, argv, onnxquant::LoadWithOnnxRuntime);
}

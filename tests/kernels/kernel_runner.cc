// Runs one kernel on bytes, so that tests in Python can hold it against other programs' results:
//
//   kernel_runner blocks bits=4 block=32 symmetric=1 half=0 nk=0 k=64 n=3 <source >result
//
// The source is the kernel's input as raw numbers, the result its outputs, one after the other.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/kernels/kernel_runs.h"

int main(int argc, char** argv) {
  using onnxquant::kernels::Arguments;
  const auto& runs = onnxquant::kernels::KernelRuns();
  const auto run = argc > 1 ? runs.find(argv[1]) : runs.end();
  if (run == runs.end()) {
    std::fprintf(stderr, "kernel_runner: the first argument must be one of");
    for (const auto& [name, unused] : runs) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  Arguments arguments;
  for (int i = 2; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string_view::npos) {
      std::fprintf(stderr, "kernel_runner: '%s' is not name=number\n", argv[i]);
      return 2;
    }
    arguments[std::string(argument.substr(0, equals))] =
        std::strtoull(argv[i] + equals + 1, nullptr, 10);
  }
  const std::string source{std::istreambuf_iterator<char>(std::cin), {}};
  const std::string result = run->second(arguments, source);
  std::cout.write(result.data(), static_cast<std::streamsize>(result.size()));
  return std::cout.flush().good() ? 0 : 1;
}

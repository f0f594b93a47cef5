// load MODEL.onnx local|global LIBRARY…: loads the libraries in this order, then uses each.
#include <dlfcn.h>

#include <cstring>
#include <iostream>
#include <vector>

int main(int argc, char** argv) {
  const int scope = std::strcmp(argv[2], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL;
  std::vector<void*> libraries;
  for (int i = 3; i < argc; ++i) {
    libraries.push_back(dlopen(argv[i], RTLD_NOW | scope));
    if (libraries.back() == nullptr) return std::cerr << dlerror() << "\n", 10;
  }
  for (void* library : libraries) {
    const auto use = reinterpret_cast<int (*)(const char*)>(dlsym(library, "Use"));
    if (const int status = use(argv[1]); status != 0) return status;
  }
  std::cout << "used " << libraries.size() << "\n";
}

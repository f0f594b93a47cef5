#include "fuzz/scratch_folder.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fuzz/require.h"

namespace onnxquant::fuzz {
namespace {

namespace fs = std::filesystem;

std::string MakeFolder() {
  for (const std::string& parent : {std::string("/dev/shm"), fs::temp_directory_path().string()}) {
    std::string path = parent + "/onnxquant-fuzz-XXXXXX";
    if (mkdtemp(path.data()) != nullptr) return path;
  }
  Require(false, "a folder to write to");
  return "";
}

}  // namespace

const std::string& ScratchFolder() {
  // Never destroyed, so that it is there while the process ends.
  static const std::string& folder = *[] {
    const auto* made = new std::string(MakeFolder());  // NOLINT(cppcoreguidelines-owning-memory)
    std::atexit([] {
      std::error_code ignored;
      fs::remove_all(ScratchFolder(), ignored);
    });
    return made;
  }();
  return folder;
}

std::string ScratchFile(const std::string& name, const std::uint8_t* data, std::size_t size) {
  std::string path = ScratchFolder() + "/" + name;
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  stream.close();
  Require(stream.good(), "a file to be written: " + path);
  return path;
}

}  // namespace onnxquant::fuzz

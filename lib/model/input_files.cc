#include "lib/model/input_files.h"

#include <filesystem>

#include "lib/model/model.h"

namespace onnxquant {
namespace {

namespace fs = std::filesystem;

// config.json and what else is read beside a model, or above a folder named onnx.
void AddConfigurations(const std::string& model, std::vector<std::string>& files) {
  std::error_code error;
  const fs::path folder = fs::absolute(model, error).parent_path();
  for (const fs::path& place : {folder, folder.parent_path()}) {
    for (const char* name : {"config.json", "generation_config.json"}) {
      if (const fs::path file = place / name; fs::exists(file, error)) {
        files.push_back(file.string());
      }
    }
  }
}

}  // namespace

std::vector<std::string> FilesReadFor(const std::vector<std::string>& models,
                                      const std::vector<std::string>& others) {
  std::vector<std::string> files;
  for (const std::string& file : others) {
    if (!file.empty()) files.push_back(file);
  }
  for (const std::string& path : models) {
    files.push_back(path);
    AddConfigurations(path, files);
    const absl::StatusOr<Model> model = Model::LoadToExamine(path);
    if (!model.ok()) continue;  // whoever reads it says what is wrong with it
    for (const ExternalFile& file : model->external_files()) files.push_back(file.path);
  }
  return files;
}

}  // namespace onnxquant

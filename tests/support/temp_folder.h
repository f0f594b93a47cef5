// A folder that goes with the test.
#ifndef ONNXQUANT_TESTS_SUPPORT_TEMP_FOLDER_H_
#define ONNXQUANT_TESTS_SUPPORT_TEMP_FOLDER_H_

#include <filesystem>
#include <string>
#include <vector>

namespace onnxquant {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  // Sorted names of what is in the folder.
  std::vector<std::string> Names() const;
  std::string Read(const std::string& name) const;
  void Write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_TESTS_SUPPORT_TEMP_FOLDER_H_

#include "lib/model/model.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/model/serialize.h"
#include "lib/model/strip_payloads.h"
#include "tests/support/temp_folder.h"
#include "tests/support/text_model.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

constexpr char kText[] = R"(<ir_version: 10, opset_import: ["" : 21]>
g (float[4] x) => (float[4] z) <float[4] w = {1, 2, 3, 4}> { z = Add(x, w) })";

class ModelTest : public ::testing::Test {
 protected:
  // A model whose initializer 'w' lies in 'data' as the entries say.
  void WriteExternal(const std::vector<std::pair<std::string, std::string>>& entries) {
    onnx::ModelProto model = ParseModel(kText);
    onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
    w.clear_float_data();
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] : entries) {
      auto* entry = w.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    Write(model);
  }

  void Write(const onnx::ModelProto& model) {
    std::string bytes;
    ASSERT_TRUE(SerializeModel(model, &bytes).ok());
    folder_.Write("model.onnx", bytes);
  }

  std::string LoadError() {
    const auto model = Model::Load(folder_ / "model.onnx");
    if (model.ok()) return "accepted";
    EXPECT_EQ(KindOf(model.status()), ErrorKind::kModel);
    const std::string message(model.status().message());
    EXPECT_EQ(message.rfind(folder_ / "model.onnx", 0), 0U) << message;
    return message;
  }

  std::vector<float> Floats(const Model& model) {
    const auto bytes = model.Bytes(model.proto().graph().initializer(0));
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    std::vector<float> floats(bytes->size() / 4);
    std::memcpy(floats.data(), bytes->data(), bytes->size());
    return floats;
  }

  const std::string data_ = std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16);
  TempFolder folder_;
};

TEST_F(ModelTest, GivesTypedFieldsInRawForm) {
  Write(ParseModel(kText));
  const auto model = Model::Load(folder_ / "model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(Floats(*model), (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(ModelTest, ReadsExternalDataAtAnyOffset) {
  folder_.Write("data", "xyz" + data_);
  WriteExternal({{"location", "data"}, {"offset", "3"}, {"length", "16"}});
  const auto model = Model::Load(folder_ / "model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(Floats(*model), (std::vector<float>{1, 2, 3, 4}));
  ASSERT_EQ(model->external_files().size(), 1U);
  EXPECT_EQ(model->external_files()[0].size, 19U);
}

TEST_F(ModelTest, CountsTheBytesThatAreRead) {
  folder_.Write("data", data_);
  WriteExternal({{"location", "data"}});
  const auto model = Model::Load(folder_ / "model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->bytes_read(), 0U);
  const auto part = model->Read(model->proto().graph().initializer(0), 4, 8);
  EXPECT_EQ(std::memcmp(part->data(), data_.data() + 4, 8), 0);
  EXPECT_EQ(model->bytes_read(), 8U);
  EXPECT_FALSE(model->Read(model->proto().graph().initializer(0), 12, 8).ok());
}

TEST_F(ModelTest, TakesLargeInlinePayloadsOutOfMemory) {
  onnx::ModelProto proto = ParseModel(kText);
  onnx::TensorProto& big = *proto.mutable_graph()->add_initializer();
  big.set_name("big");
  big.set_data_type(onnx::TensorProto::FLOAT);
  big.add_dims(2048);
  big.mutable_raw_data()->assign(8192, 'q');
  Write(proto);
  const auto model = Model::Load(folder_ / "model.onnx");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_LT(model->proto().ByteSizeLong(), 1000U);
  const auto bytes = model->Bytes(model->proto().graph().initializer(1));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()),
            std::string(8192, 'q'));
  EXPECT_TRUE(model->external_files().empty());
}

TEST_F(ModelTest, RefusesDamagedExternalReferences) {
  folder_.Write("data", data_);
  const struct {
    std::vector<std::pair<std::string, std::string>> entries;
    const char* expected;
  } cases[] = {
      {{}, "initializer 'w': external data names no location"},
      {{{"location", "data"}, {"location", "data"}}, "has 'location' twice"},
      {{{"location", "data"}, {"colour", "red"}}, "the unknown key 'colour'"},
      {{{"location", "data"}, {"offset", "-1"}}, "offset '-1'"},
      {{{"location", "data"}, {"offset", "1x"}}, "offset '1x'"},
      {{{"location", "data"}, {"offset", "99999999999999999999"}}, "offset '99999999999999999999'"},
      {{{"location", "data"}, {"length", "12"}}, "ask for 16 bytes, but its external data has 12"},
      {{{"location", "data"}, {"offset", "4"}}, "at offset 4 ends beyond 'data' (16 bytes)"},
      {{{"location", "data"}, {"offset", "18446744073709551615"}}, "ends beyond 'data'"},
      {{{"location", "nowhere"}}, "nowhere' cannot be found"},
      {{{"location", "/etc/passwd"}}, "is absolute"},
      {{{"location", "../data"}}, "leaves the model's folder"},
      {{{"location", "x/../../data"}}, "leaves the model's folder"},
      {{{"location", "."}}, "is not a regular file"},
  };
  for (const auto& one : cases) {
    WriteExternal(one.entries);
    EXPECT_THAT(LoadError(), HasSubstr(one.expected));
  }
}

TEST_F(ModelTest, RefusesPipesAndLinksOutOfTheFolder) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  WriteExternal({{"location", "pipe"}});
  EXPECT_THAT(LoadError(), HasSubstr("is not a regular file"));
  const TempFolder outside;
  outside.Write("data", data_);
  ASSERT_EQ(symlink((outside / "data").c_str(), (folder_ / "link").c_str()), 0);
  WriteExternal({{"location", "link"}});
  EXPECT_THAT(LoadError(), HasSubstr("outside the model's folder"));
}

TEST_F(ModelTest, AcceptsLinksInsideTheFolderAndTheHuggingFaceCache) {
  folder_.Write("blobs/1234", data_);
  ASSERT_EQ(symlink("blobs/1234", (folder_ / "link").c_str()), 0);
  WriteExternal({{"location", "link"}});
  EXPECT_EQ(LoadError(), "accepted");
  // snapshots/<revision>/ links model and data into blobs/
  WriteExternal({{"location", "model.onnx_data"}});
  std::filesystem::rename(folder_ / "model.onnx", folder_ / "blobs/5678");
  std::filesystem::create_directories(folder_ / "snapshots/r");
  std::filesystem::create_symlink("../../blobs/5678", folder_ / "snapshots/r/model.onnx");
  std::filesystem::create_symlink("../../blobs/1234", folder_ / "snapshots/r/model.onnx_data");
  const auto model = Model::Load(folder_ / "snapshots/r/model.onnx");
  EXPECT_TRUE(model.ok()) << model.status();
}

TEST_F(ModelTest, RefusesPartialOverlapsAndAcceptsSharing) {
  folder_.Write("data", data_ + data_);
  for (const char* offset : {"0", "8"}) {
    onnx::ModelProto model = ParseModel(kText);
    onnx::GraphProto& graph = *model.mutable_graph();
    *graph.add_initializer() = graph.initializer(0);
    graph.mutable_initializer(1)->set_name("v");
    for (int i = 0; i < 2; ++i) {
      onnx::TensorProto& tensor = *graph.mutable_initializer(i);
      tensor.clear_float_data();
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      auto* location = tensor.add_external_data();
      location->set_key("location");
      location->set_value("data");
      auto* at = tensor.add_external_data();
      at->set_key("offset");
      at->set_value(i == 0 ? "0" : offset);
    }
    Write(model);
    if (std::string(offset) == "0") {
      EXPECT_EQ(LoadError(), "accepted");
    } else {
      EXPECT_THAT(LoadError(), HasSubstr("initializer 'w' and initializer 'v' overlap in 'data'"));
    }
  }
}

TEST_F(ModelTest, ListsWhatItWouldRefuseWhenItIsToExamine) {
  onnx::ModelProto model = ParseModel(kText);
  onnx::GraphProto& graph = *model.mutable_graph();
  *graph.add_initializer() = graph.initializer(0);
  graph.mutable_initializer(1)->set_name("v");
  graph.mutable_initializer(1)->add_float_data(5);
  onnx::TensorProto& tensor = *graph.mutable_initializer(0);
  tensor.clear_float_data();
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  auto* location = tensor.add_external_data();
  location->set_key("location");
  location->set_value("gone");
  Write(model);
  const auto examined = Model::LoadToExamine(folder_ / "model.onnx");
  ASSERT_TRUE(examined.ok()) << examined.status();
  ASSERT_EQ(examined->damages().size(), 2U);
  EXPECT_EQ(examined->damages()[0].place, "initializer 'w'");
  EXPECT_EQ(examined->damages()[0].file, "gone");
  EXPECT_THAT(examined->damages()[0].what, HasSubstr("cannot be found"));
  EXPECT_EQ(examined->damages()[1].file, "");
  EXPECT_THAT(LoadError(), HasSubstr("cannot be found"));
}

TEST_F(ModelTest, RefusesTensorsThatDoNotFitTheirShape) {
  onnx::ModelProto model = ParseModel(kText);
  onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
  w.set_dims(0, 5);
  Write(model);
  EXPECT_THAT(LoadError(), HasSubstr("ask for 20 bytes, but it holds 16"));
  w.set_dims(0, -4);
  Write(model);
  EXPECT_THAT(LoadError(), HasSubstr("dimension -4 is negative"));
  w.set_dims(0, 4);
  w.set_raw_data(data_);
  Write(model);
  EXPECT_THAT(LoadError(), HasSubstr("more than one field"));
  w.set_data_type(99);
  Write(model);
  EXPECT_THAT(LoadError(), HasSubstr("element type 99"));
}

TEST_F(ModelTest, SaysWhatAFileIsThatIsNoModel) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "is empty"},
      {"GGUF\x03", "is a GGUF file"},
      {"PK\x03\x04zip", "is a zip archive"},
      {"version https://git-lfs", "is a Git LFS pointer"},
      {std::string("\x10\0\0\0\0\0\0\0{\"a\":1}", 16), "is a safetensors file"},
      {"<html>", "is a text file"},
      {"\xff\xff\xff\xff\xff", "malformed data at byte"},
      {"hello world, I am no model", "m"},
  };
  for (const auto& [content, expected] : cases) {
    folder_.Write("model.onnx", content);
    EXPECT_THAT(LoadError(), HasSubstr(expected)) << content;
  }
  EXPECT_THAT(std::string(Model::Load(folder_ / "none").status().message()),
              HasSubstr("cannot be opened"));
}

TEST_F(ModelTest, RefusesEveryTruncationOfAModel) {
  std::string bytes;
  ASSERT_TRUE(SerializeModel(ParseModel(kText), &bytes).ok());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    folder_.Write("model.onnx", bytes.substr(0, length));
    const auto model = Model::Load(folder_ / "model.onnx");
    // A prefix that ends between two fields is a message; it then lacks its graph or its opset.
    EXPECT_FALSE(model.ok()) << length << " of " << bytes.size();
  }
}

TEST(StripPayloads, ChangesNothingInAModelWithoutLargePayloads) {
  std::string bytes;
  ASSERT_TRUE(SerializeModel(ParseModel(kText), &bytes).ok());
  const auto stripped =
      StripPayloads({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  ASSERT_TRUE(stripped.ok()) << stripped.status();
  EXPECT_EQ(*stripped, bytes);
}

class ModelInMemoryTest : public ModelTest {
 protected:
  // The model whose initializer 'w' is payload `index`.
  ModelInMemoryTest() { SetIndex("0"); }

  void SetIndex(const std::string& index) {
    onnx::ModelProto model = ParseModel(kText);
    onnx::TensorProto& w = *model.mutable_graph()->mutable_initializer(0);
    w.clear_float_data();
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto* location = w.add_external_data();
    location->set_key("location");
    location->set_value(kInMemory);
    auto* offset = w.add_external_data();
    offset->set_key("offset");
    offset->set_value(index);
    structure_ = model.SerializeAsString();
    memory_.path = "memory.onnx";
    memory_.model = {reinterpret_cast<const std::byte*>(structure_.data()), structure_.size()};
  }

  void AddPayload(const std::vector<float>& values) {
    memory_.tensors.emplace_back(reinterpret_cast<const std::byte*>(values.data()),
                                 values.size() * sizeof(float));
  }

  std::string structure_;
  ModelInMemory memory_;
};

TEST_F(ModelInMemoryTest, ReadsPayloadsWhereTheCallerHoldsThem) {
  const std::vector<float> values = {5, 6, 7, 8};
  AddPayload(values);
  const auto model = Model::FromMemory(memory_);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_FALSE(model->from_file());
  const onnx::TensorProto& w = model->proto().graph().initializer(0);
  EXPECT_EQ(static_cast<const void*>(model->Bytes(w)->data()), values.data());
  EXPECT_EQ(model->Read(w, 4, 8)->size(), 8U);
  model->Release(w, 0, 16);
}

TEST_F(ModelInMemoryTest, RefusesPayloadsThatDoNotFit) {
  const std::vector<float> values = {5, 6, 7};
  AddPayload(values);
  auto model = Model::FromMemory(memory_);
  EXPECT_EQ(KindOf(model.status()), ErrorKind::kModel);
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("memory.onnx: initializer 'w': its shape and type ask for 16 bytes; the "
                        "payload in memory (0) has 12"));
  SetIndex("1");
  model = Model::FromMemory(memory_);
  EXPECT_THAT(std::string(model.status().message()),
              HasSubstr("is said to be payload 1 in memory; there are 1"));
}

TEST_F(ModelInMemoryTest, ReadsLargeWeightsInTheSerializedModelWithoutParsingThem) {
  onnx::ModelProto proto = ParseModel(R"(<ir_version: 10, opset_import: ["" : 21]>
      g (float[4096] x) => (float[4096] z) <float[4096] w> { z = Add(x, w) })");
  onnx::TensorProto& w = *proto.mutable_graph()->mutable_initializer(0);
  w.clear_float_data();
  w.set_raw_data(std::string(16384, 'a'));
  structure_ = proto.SerializeAsString();
  memory_.model = {reinterpret_cast<const std::byte*>(structure_.data()), structure_.size()};
  const auto model = Model::FromMemory(memory_);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_FALSE(model->proto().graph().initializer(0).has_raw_data());
  const auto bytes = model->Bytes(model->proto().graph().initializer(0));
  EXPECT_EQ(bytes->size(), 16384U);
  EXPECT_EQ(static_cast<char>(bytes->back()), 'a');
}

}  // namespace
}  // namespace onnxquant

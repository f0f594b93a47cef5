#include "lib/model/strip_payloads.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

// A message in pieces: protobuf merges them, and of a field that stands twice the last one counts.
onnx::ModelProto InPieces(const std::vector<std::string>& payloads, std::string& bytes) {
  std::string tensor;
  for (const std::string& payload : payloads) {
    onnx::TensorProto piece;
    piece.set_raw_data(payload);
    tensor += piece.SerializeAsString();
  }
  onnx::TensorProto named;
  named.set_name("n");
  const auto prepend = [](int field, const std::string& content) {
    std::string out(1, static_cast<char>(field * 8 + 2));
    for (std::size_t left = content.size(); true; left >>= 7U) {
      out.push_back(static_cast<char>((left & 0x7FU) | (left > 0x7FU ? 0x80U : 0U)));
      if (left <= 0x7FU) return out + content;
    }
  };
  bytes = prepend(
      onnx::ModelProto::kGraphFieldNumber,
      prepend(onnx::GraphProto::kInitializerFieldNumber, tensor + named.SerializeAsString()));
  onnx::ModelProto whole;
  EXPECT_TRUE(whole.ParseFromString(bytes));
  return whole;
}

TEST(StripPayloads, TakesTheLastOfSeveralPayloadsAsProtobufDoes) {
  const std::string small = "small";
  const std::string large(5000, 'a');
  const std::string other(6000, 'b');
  const std::vector<std::vector<std::string>> cases = {
      {small},        {large},        {small, large},        {large, small},
      {large, other}, {small, small}, {large, small, other}, {large, other, small}};
  for (const auto& payloads : cases) {
    std::string bytes;
    const onnx::ModelProto whole = InPieces(payloads, bytes);
    ASSERT_EQ(whole.graph().initializer(0).raw_data(), payloads.back());
    const auto slim =
        StripPayloads({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
    ASSERT_TRUE(slim.ok()) << slim.status();
    onnx::ModelProto stripped;
    ASSERT_TRUE(stripped.ParseFromString(*slim));
    const onnx::TensorProto& tensor = stripped.graph().initializer(0);
    EXPECT_EQ(tensor.name(), "n");
    if (payloads.back() == small) {
      EXPECT_EQ(tensor.raw_data(), small);
      EXPECT_EQ(tensor.external_data_size(), 0);
    } else {
      EXPECT_FALSE(tensor.has_raw_data());
      ASSERT_EQ(tensor.external_data_size(), 3);
      const auto offset = std::stoull(tensor.external_data(1).value());
      EXPECT_EQ(bytes.substr(offset, payloads.back().size()), payloads.back());
      EXPECT_EQ(tensor.external_data(2).value(), std::to_string(payloads.back().size()));
    }
  }
}

}  // namespace
}  // namespace onnxquant

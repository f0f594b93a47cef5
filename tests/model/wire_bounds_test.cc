#include "lib/model/wire_bounds.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/error.h"
#include "lib/base/limits.h"
#include "onnx/onnx_pb.h"

namespace onnxquant {
namespace {

using ::testing::HasSubstr;

std::string Refusal(const std::string& file) {
  const absl::Status status =
      CheckWire({reinterpret_cast<const std::byte*>(file.data()), file.size()});
  if (status.ok()) return "accepted";
  EXPECT_EQ(KindOf(status), ErrorKind::kModel);
  return std::string(status.message());
}

std::string Varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80U; value >>= 7U) out += static_cast<char>((value & 0x7FU) | 0x80U);
  return out + static_cast<char>(value);
}

std::string Message(std::uint64_t number, const std::string& content) {
  return Varint((number << 3U) | 2U) + Varint(content.size()) + content;
}

// Ifs in one another: a graph's node (1), its attribute (5), that one's graph (6).
std::string Nested(int bodies) {
  std::string graph;
  for (int i = 0; i < bodies; ++i) graph = Message(1, Message(5, Message(6, graph)));
  return Message(7, graph);
}

TEST(WireBounds, TakesWhatProtobufTakes) {
  for (const int bodies : {1, 33}) {
    EXPECT_EQ(Refusal(Nested(bodies)), "accepted");
    EXPECT_TRUE(onnx::ModelProto().ParseFromString(Nested(bodies)));
  }
  EXPECT_FALSE(onnx::ModelProto().ParseFromString(Nested(34)));
}

TEST(WireBounds, RefusesBodiesNestedBeyondProtobufsLimitByName) {
  EXPECT_THAT(Refusal(Nested(34)), HasSubstr("nested more than 100 messages deep at byte"));
  EXPECT_THAT(Refusal(Nested(8192)), HasSubstr("nested more than 100 messages deep at byte"));
}

TEST(WireBounds, RefusesTypesNestedInOneAnother) {
  std::string type;
  for (int i = 0; i < 200; ++i) type = Message(4, Message(1, type));  // sequences
  EXPECT_THAT(Refusal(Message(7, Message(13, Message(2, type)))), HasSubstr("graphs or types"));
}

// Two bytes of a file that become a node each: 50 MB that would take 5 GB.
TEST(WireBounds, RefusesAFileOfEmptyNodes) {
  std::string nodes;
  nodes.reserve(50 << 20);
  while (nodes.size() < std::size_t{50 << 20}) nodes += Message(1, "");
  const std::string refusal = Refusal(Message(7, nodes));
  EXPECT_THAT(refusal, HasSubstr("takes more than 4294967296 bytes of memory"));
  EXPECT_THAT(refusal, HasSubstr("the structure up to byte"));
}

// A model whose only initializer has `size` zeros in that field.
std::string WithZeros(std::uint64_t field, std::size_t size) {
  const std::string innermost = Varint((field << 3U) | 2U) + Varint(size);
  const std::string tensor = Varint(5U << 3U | 2U) + Varint(innermost.size() + size);
  const std::string graph = Varint(7U << 3U | 2U) + Varint(tensor.size() + innermost.size() + size);
  std::string file = graph + tensor + innermost;
  file.resize(file.size() + size);
  return file;
}

TEST(WireBounds, CountsIntegersByWhatTheyTakeOnceParsed) {
  const std::string file = WithZeros(onnx::TensorProto::kInt64DataFieldNumber, 540'000'000);
  EXPECT_THAT(Refusal(file), HasSubstr("of memory"));
}

TEST(WireBounds, APayloadMayBeAsLargeAsItLikes) {
  const std::string file = WithZeros(onnx::TensorProto::kRawDataFieldNumber, 540'000'000);
  EXPECT_EQ(Refusal(file), "accepted");
}

}  // namespace
}  // namespace onnxquant

#include "lib/rewrite/sealed_nodes.h"

#include <cstring>
#include <utility>

#include "google/protobuf/io/coded_stream.h"

namespace onnxquant {
namespace {

using google::protobuf::io::CodedOutputStream;

constexpr std::uint32_t kTag = (onnx::GraphProto::kNodeFieldNumber << 3U) | 2U;

std::size_t HeaderSize(std::uint32_t size) {
  return CodedOutputStream::VarintSize32(kTag) + CodedOutputStream::VarintSize32(size);
}

}  // namespace

void SealedNodes::Take(onnx::GraphProto& graph) {
  for (const onnx::NodeProto& node : graph.node()) {
    const auto size = static_cast<std::uint32_t>(node.ByteSizeLong());
    const std::size_t before = fields_.size();
    fields_.resize(before + HeaderSize(size) + size);
    auto* at = reinterpret_cast<std::uint8_t*>(fields_.data() + before);
    at = CodedOutputStream::WriteTagToArray(kTag, at);
    at = CodedOutputStream::WriteVarint32ToArray(size, at);
    node.SerializeWithCachedSizesToArray(at);
    sizes_.push_back(size);
  }
  graph.clear_node();
}

onnx::NodeProto SealedNodes::NodeAt(std::size_t field, std::uint32_t size) const {
  onnx::NodeProto node;
  node.ParseFromArray(fields_.data() + field + HeaderSize(size), static_cast<int>(size));
  return node;
}

void SealedNodes::FilterBackwards(absl::FunctionRef<bool(const onnx::NodeProto&)> keep) {
  std::vector<bool> kept(sizes_.size(), false);
  std::size_t at = fields_.size();
  for (std::size_t i = sizes_.size(); i-- > 0;) {
    at -= HeaderSize(sizes_[i]) + sizes_[i];
    kept[i] = keep(NodeAt(at, sizes_[i]));
  }
  std::size_t from = 0;
  std::size_t to = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::uint32_t size = sizes_[i];
    const std::size_t whole = HeaderSize(size) + size;
    if (kept[i]) {
      if (from != to) std::memmove(fields_.data() + to, fields_.data() + from, whole);
      to += whole;
      sizes_[count++] = size;
    }
    from += whole;
  }
  fields_.resize(to);
  sizes_.resize(count);
}

void SealedNodes::ForEach(absl::FunctionRef<void(const onnx::NodeProto&)> visit) const {
  std::size_t at = 0;
  for (const std::uint32_t size : sizes_) {
    visit(NodeAt(at, size));
    at += HeaderSize(size) + size;
  }
}

std::string SealedNodes::Fields() && {
  sizes_ = {};
  return std::move(fields_);
}

}  // namespace onnxquant

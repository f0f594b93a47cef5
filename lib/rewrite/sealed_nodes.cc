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

onnx::NodeProto NodeAt(const std::string& fields, std::size_t at, std::uint32_t size) {
  onnx::NodeProto node;
  node.ParseFromArray(fields.data() + at + HeaderSize(size), static_cast<int>(size));
  return node;
}

}  // namespace

void SealedNodes::Take(onnx::GraphProto& graph) {
  Batch batch;
  std::size_t total = 0;
  batch.sizes.reserve(static_cast<std::size_t>(graph.node_size()));
  for (const onnx::NodeProto& node : graph.node()) {
    const auto size = static_cast<std::uint32_t>(node.ByteSizeLong());
    batch.sizes.push_back(size);
    total += HeaderSize(size) + size;
  }
  batch.fields.resize(total);
  auto* at = reinterpret_cast<std::uint8_t*>(batch.fields.data());
  for (int i = 0; i < graph.node_size(); ++i) {
    at = CodedOutputStream::WriteTagToArray(kTag, at);
    at = CodedOutputStream::WriteVarint32ToArray(batch.sizes[static_cast<std::size_t>(i)], at);
    at = graph.node(i).SerializeWithCachedSizesToArray(at);
  }
  graph.clear_node();
  if (total > 0) batches_.push_back(std::move(batch));
}

void SealedNodes::Filter(Batch& batch, absl::FunctionRef<bool(const onnx::NodeProto&)> keep) {
  auto& [fields, sizes] = batch;
  std::vector<bool> kept(sizes.size(), false);
  std::size_t at = fields.size();
  for (std::size_t i = sizes.size(); i-- > 0;) {
    at -= HeaderSize(sizes[i]) + sizes[i];
    kept[i] = keep(NodeAt(fields, at, sizes[i]));
  }
  std::size_t from = 0;
  std::size_t to = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const std::uint32_t size = sizes[i];
    const std::size_t whole = HeaderSize(size) + size;
    if (kept[i]) {
      if (from != to) std::memmove(fields.data() + to, fields.data() + from, whole);
      to += whole;
      sizes[count++] = size;
    }
    from += whole;
  }
  fields.resize(to);
  sizes.resize(count);
}

void SealedNodes::FilterBackwards(absl::FunctionRef<bool(const onnx::NodeProto&)> keep) {
  for (std::size_t i = batches_.size(); i-- > 0;) Filter(batches_[i], keep);
}

void SealedNodes::ForEach(absl::FunctionRef<void(const onnx::NodeProto&)> visit) const {
  for (const auto& [fields, sizes] : batches_) {
    std::size_t at = 0;
    for (const std::uint32_t size : sizes) {
      visit(NodeAt(fields, at, size));
      at += HeaderSize(size) + size;
    }
  }
}

std::string SealedNodes::Fields() && {
  std::size_t total = 0;
  for (const Batch& batch : batches_) total += batch.fields.size();
  std::string all;
  all.reserve(total);
  for (Batch& batch : batches_) {
    all += batch.fields;
    batch = {};
  }
  batches_.clear();
  return all;
}

}  // namespace onnxquant

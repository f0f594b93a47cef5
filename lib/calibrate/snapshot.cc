#include "lib/calibrate/snapshot.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/as_bytes.h"
#include "lib/base/error.h"
#include "lib/statistics/safetensors_header.h"
#include "lib/text/json_text.h"

namespace onnxquant {
namespace {

using Json = nlohmann::json;
constexpr char kFormat[] = "onnxquant.calibration.unfinished";
constexpr std::size_t kAlignment = 8;

// A tensor of the file and its bytes.
struct Piece {
  std::string name;
  std::string dtype;
  std::vector<std::size_t> shape;
  absl::Span<const std::byte> bytes;
};

std::vector<Piece> PiecesOf(absl::Span<const Moments> done,
                            absl::Span<const MomentSums::State> now) {
  std::vector<Piece> pieces;
  const auto add = [&pieces](std::string name, std::int64_t size, absl::Span<const float> sums) {
    const auto k = static_cast<std::size_t>(size);
    pieces.push_back({std::move(name), "F32", {k, k}, AsBytes(sums)});
  };
  for (const Moments& one : done) add(absl::StrCat("done/", one.value), one.size, one.sums);
  for (const MomentSums::State& one : now) {
    add(absl::StrCat("sums/", one.value), one.size, one.sums);
    pieces.push_back({absl::StrCat("rows/", one.value),
                      "F32",
                      {one.kept_rows.size()},
                      AsBytes(absl::Span<const float>(one.kept_rows))});
  }
  return pieces;
}

// Everything but the floats, as text: the values in the order of the file's tensors.
std::string StateText(const SnapshotPlace& place, absl::Span<const Moments> done,
                      absl::Span<const MomentSums::State> now) {
  Json json = {{"run", place.run},         {"pass", place.pass},    {"texts", place.texts},
               {"written", place.written}, {"done", Json::array()}, {"now", Json::array()}};
  for (const Moments& one : done) json["done"].push_back({one.value, one.size, one.count});
  for (const MomentSums::State& one : now) {
    json["now"].push_back({one.value, one.size, one.count, one.kept});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string HeaderOf(const std::string& state, absl::Span<const Piece> pieces) {
  Json header = {{"__metadata__", {{"format", kFormat}, {"state", state}}}};
  std::size_t at = 0;
  for (const Piece& piece : pieces) {
    header[piece.name] = {{"dtype", piece.dtype},
                          {"shape", piece.shape},
                          {"data_offsets", {at, at + piece.bytes.size()}}};
    at += piece.bytes.size();
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  return text;
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return UsageError(path, ": ", what, "; expected what an interrupted 'onnxquant calibrate' left: ",
                    "remove the file to begin anew");
}

}  // namespace

absl::Status WriteSnapshot(const SingleOutput& output, const SnapshotPlace& place,
                           absl::Span<const Moments> done, MomentSums& sums) {
  const std::vector<MomentSums::State> now = sums.States();
  const std::vector<Piece> pieces = PiecesOf(done, now);
  const std::string header = HeaderOf(StateText(place, done, now), pieces);
  const std::uint64_t length = header.size();
  std::uint64_t bytes = sizeof(length) + header.size();
  for (const Piece& piece : pieces) bytes += piece.bytes.size();
  ONNXQUANT_ASSIGN_OR_RETURN(OutputFiles files, OpenOutput(output, {}, bytes));
  std::uint64_t at = 0;
  const auto write = [&](absl::Span<const std::byte> part) {
    absl::Status status = files.WriteAt(0, at, part);
    at += part.size();
    return status;
  };
  ONNXQUANT_RETURN_IF_ERROR(write(AsBytes(absl::MakeConstSpan(&length, 1))));
  ONNXQUANT_RETURN_IF_ERROR(write(AsBytes(absl::MakeConstSpan(header))));
  for (const Piece& piece : pieces) ONNXQUANT_RETURN_IF_ERROR(write(piece.bytes));
  return files.Commit();
}

absl::StatusOr<Snapshot> Snapshot::Open(const std::string& path) {
  ONNXQUANT_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  Snapshot snapshot(std::move(file));
  const absl::Span<const std::byte> bytes = snapshot.file_.bytes();
  ONNXQUANT_ASSIGN_OR_RETURN(const SafetensorsHeader header, ReadSafetensorsHeader(path, bytes));
  const auto format = header.metadata.find("format");
  const auto state = header.metadata.find("state");
  if (format == header.metadata.end() || format->second != kFormat ||
      state == header.metadata.end()) {
    return Damaged(path, "is no unfinished calibration");
  }
  ONNXQUANT_ASSIGN_OR_RETURN(const Json json, ParseJson(state->second, path, JsonRule()));
  SnapshotPlace& place = snapshot.place_;
  try {
    place.run = json.at("run").get<std::string>();
    place.pass = json.at("pass").get<std::size_t>();
    place.texts = json.at("texts").get<std::size_t>();
    place.written = json.at("written").get<TokenSequences>();
    for (const Json& row : json.at("done")) {
      snapshot.done_.push_back({row.at(0).get<std::string>(),
                                row.at(1).get<std::int64_t>(),
                                row.at(2).get<std::uint64_t>(),
                                0,
                                {},
                                {}});
    }
    for (const Json& row : json.at("now")) {
      snapshot.now_.push_back({row.at(0).get<std::string>(),
                               row.at(1).get<std::int64_t>(),
                               row.at(2).get<std::uint64_t>(),
                               row.at(3).get<std::uint64_t>(),
                               {},
                               {}});
    }
  } catch (const Json::exception&) {
    return Damaged(path, "does not say where it stands");
  }
  const auto floats = [&](const std::string& name) -> absl::Span<const float> {
    for (const SafeTensor& tensor : header.tensors) {
      if (tensor.name != name || tensor.dtype != "F32") continue;
      const std::byte* data = bytes.data() + tensor.begin;
      return {reinterpret_cast<const float*>(data), (tensor.end - tensor.begin) / sizeof(float)};
    }
    return {};
  };
  const auto fill = [&](const char* prefix, Value& value) {
    value.sums = floats(absl::StrCat(prefix, value.name));
    const auto size = static_cast<std::size_t>(value.size);
    return value.size > 0 && value.sums.size() == size * size;
  };
  for (Value& value : snapshot.done_) {
    if (!fill("done/", value)) return Damaged(path, "lacks sums");
  }
  for (Value& value : snapshot.now_) {
    value.kept_rows = floats(absl::StrCat("rows/", value.name));
    if (!fill("sums/", value)) return Damaged(path, "lacks sums");
  }
  return snapshot;
}

std::vector<Moments> Snapshot::Done() const {
  std::vector<Moments> done;
  for (const Value& value : done_) {
    done.push_back({value.name, value.size, value.count, {value.sums.begin(), value.sums.end()}});
  }
  return done;
}

absl::Status Snapshot::Restore(MomentSums& sums) const {
  const std::vector<MomentSums::State> states = sums.States();
  bool same = states.size() == now_.size();
  for (std::size_t i = 0; same && i < states.size(); ++i) {
    same = states[i].value == now_[i].name && states[i].size == now_[i].size &&
           states[i].kept_rows.size() == now_[i].kept_rows.size() && now_[i].kept < kMomentRows;
  }
  if (!same) return Damaged(file_.path(), "has sums of other values");
  for (std::size_t i = 0; i < states.size(); ++i) {
    states[i].count = now_[i].count;
    states[i].kept = static_cast<std::size_t>(now_[i].kept);
    std::copy(now_[i].sums.begin(), now_[i].sums.end(), states[i].sums.begin());
    std::copy(now_[i].kept_rows.begin(), now_[i].kept_rows.end(), states[i].kept_rows.begin());
  }
  return file_.CheckUnchanged();
}

}  // namespace onnxquant

#include "lib/policy/min_cut.h"

#include <algorithm>

namespace onnxquant {

int MinCut::AddVertex() {
  out_.emplace_back();
  return static_cast<int>(out_.size()) - 1;
}

void MinCut::AddCost(int from, int to, std::int64_t cost) {
  if (from == to || cost == 0) return;
  out_[static_cast<std::size_t>(from)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({to, cost});
  out_[static_cast<std::size_t>(to)].push_back(static_cast<int>(edges_.size()));
  edges_.push_back({from, 0});
}

// Distances from the first side along edges with capacity left; false when the second side is out
// of reach.
bool MinCut::FindLevels() {
  level_.assign(out_.size(), -1);
  level_[kFirstSide] = 0;
  std::vector<int> queue = {kFirstSide};
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const int vertex = queue[i];
    for (const int id : out_[static_cast<std::size_t>(vertex)]) {
      const Edge& edge = edges_[static_cast<std::size_t>(id)];
      int& level = level_[static_cast<std::size_t>(edge.to)];
      if (edge.capacity == 0 || level >= 0) continue;
      level = level_[static_cast<std::size_t>(vertex)] + 1;
      queue.push_back(edge.to);
    }
  }
  return level_[kSecondSide] >= 0;
}

// One path along rising levels, without recursion: chains can be a hundred thousand nodes long.
std::int64_t MinCut::Augment() {
  std::vector<int> path;
  int vertex = kFirstSide;
  while (vertex != kSecondSide) {
    std::size_t& next = next_[static_cast<std::size_t>(vertex)];
    const std::vector<int>& out = out_[static_cast<std::size_t>(vertex)];
    while (next < out.size()) {
      const Edge& edge = edges_[static_cast<std::size_t>(out[next])];
      if (edge.capacity > 0 && level_[static_cast<std::size_t>(edge.to)] ==
                                   level_[static_cast<std::size_t>(vertex)] + 1) {
        break;
      }
      ++next;
    }
    if (next < out.size()) {
      path.push_back(out[next]);
      vertex = edges_[static_cast<std::size_t>(out[next])].to;
    } else {
      if (path.empty()) return 0;
      const int back = path.back();
      path.pop_back();
      vertex = edges_[static_cast<std::size_t>(back ^ 1)].to;
      ++next_[static_cast<std::size_t>(vertex)];
    }
  }
  std::int64_t flow = kForbidden;
  for (const int id : path) flow = std::min(flow, edges_[static_cast<std::size_t>(id)].capacity);
  for (const int id : path) {
    edges_[static_cast<std::size_t>(id)].capacity -= flow;
    edges_[static_cast<std::size_t>(id ^ 1)].capacity += flow;
  }
  return flow;
}

std::vector<bool> MinCut::Solve() {
  while (FindLevels()) {
    next_.assign(out_.size(), 0);
    while (Augment() > 0) {
    }
  }
  std::vector<bool> first;
  for (const int level : level_) first.push_back(level >= 0);
  return first;
}

}  // namespace onnxquant

// The cheapest way to cut a graph in two.
#ifndef ONNXQUANT_LIB_POLICY_MIN_CUT_H_
#define ONNXQUANT_LIB_POLICY_MIN_CUT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace onnxquant {

// A minimum cut between two sides by Dinic's maximum flow. Vertices 0 and 1 are the sides' anchors.
// Costs are at most kForbidden / 2 in sum.
class MinCut {
 public:
  static constexpr int kFirstSide = 0;
  static constexpr int kSecondSide = 1;
  static constexpr std::int64_t kForbidden = std::int64_t{1} << 60;

  int AddVertex();

  // What it costs when `from` ends up on the first side and `to` on the second.
  void AddCost(int from, int to, std::int64_t cost);

  // By vertex: whether it is on the first side of a cheapest cut; of several, the one with the
  // fewest vertices on the first side.
  std::vector<bool> Solve();

 private:
  struct Edge {
    int to;
    std::int64_t capacity;
  };

  bool FindLevels();
  std::int64_t Augment();

  std::vector<Edge> edges_;  // edge i and its reverse i ^ 1
  std::vector<std::vector<int>> out_ = {{}, {}};
  std::vector<int> level_;
  std::vector<std::size_t> next_;
};

}  // namespace onnxquant

#endif  // ONNXQUANT_LIB_POLICY_MIN_CUT_H_

#include "lib/allocate/allocate.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace onnxquant {
namespace {

// From one option of an item to a larger one that costs less.
struct Step {
  std::size_t item = 0;
  std::size_t to = 0;
  std::uint64_t bytes = 0;  // more than before
  double gain = 0;          // less cost than before
  double Worth() const { return gain / static_cast<double>(bytes); }
};

std::size_t Smallest(const AllocationItem& item) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < item.options.size(); ++i) {
    const AllocationOption& option = item.options[i];
    const AllocationOption& other = item.options[best];
    if (option.bytes < other.bytes || (option.bytes == other.bytes && option.cost < other.cost)) {
      best = i;
    }
  }
  return best;
}

Allocation SmallestOfAll(absl::Span<const AllocationItem> items) {
  Allocation all;
  for (const AllocationItem& item : items) {
    all.chosen.push_back(Smallest(item));
    all.bytes += item.options[all.chosen.back()].bytes;
    all.cost += item.options[all.chosen.back()].cost;
  }
  return all;
}

// Along the lower convex hull of one item's options; each step is worth less than the one before.
void AddSteps(const AllocationItem& item, std::size_t number, std::vector<Step>& steps) {
  std::size_t at = Smallest(item);
  while (true) {
    std::optional<Step> best;
    for (std::size_t i = 0; i < item.options.size(); ++i) {
      const AllocationOption& option = item.options[i];
      if (option.bytes <= item.options[at].bytes || option.cost >= item.options[at].cost) continue;
      const Step step{number, i, option.bytes - item.options[at].bytes,
                      item.options[at].cost - option.cost};
      // Of steps in one direction the longer.
      if (!best || step.Worth() > best->Worth() ||
          (step.Worth() == best->Worth() && step.bytes > best->bytes)) {
        best = step;
      }
    }
    if (!best) return;
    steps.push_back(*best);
    at = best->to;
  }
}

// Of all items, the most worthwhile first.
std::vector<Step> StepsOf(absl::Span<const AllocationItem> items) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < items.size(); ++i) AddSteps(items[i], i, steps);
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.Worth() > b.Worth(); });
  return steps;
}

void Choose(absl::Span<const AllocationItem> items, std::size_t item, std::size_t option,
            Allocation& all) {
  const AllocationOption& before = items[item].options[all.chosen[item]];
  const AllocationOption& after = items[item].options[option];
  all.bytes = all.bytes - before.bytes + after.bytes;
  all.cost += after.cost - before.cost;
  all.chosen[item] = option;
}

// What is minimized, and what is bounded.
struct Aim {
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();
  double cost = std::numeric_limits<double>::infinity();
  bool fewest_bytes = false;  // else the least cost
};

// What exchanging options brings.
struct Move {
  double bytes = 0;
  double cost = 0;
};
Move MoveOf(const AllocationItem& item, std::size_t from, std::size_t to) {
  const AllocationOption& before = item.options[from];
  const AllocationOption& after = item.options[to];
  return {static_cast<double>(after.bytes) - static_cast<double>(before.bytes),
          after.cost - before.cost};
}

// Changes one or two of the items in `core` as long as that is better.
void Improve(absl::Span<const AllocationItem> items, absl::Span<const std::size_t> core,
             const Aim& aim, Allocation& all) {
  constexpr int kMostRounds = 1000;
  const auto better = [&](const Move& a, const Move& b) {
    return aim.fewest_bytes ? a.bytes < b.bytes || (a.bytes == b.bytes && a.cost < b.cost)
                            : a.cost < b.cost || (a.cost == b.cost && a.bytes < b.bytes);
  };
  const auto fits = [&](const Move& move) {
    return static_cast<double>(all.bytes) + move.bytes <= static_cast<double>(aim.bytes) &&
           all.cost + move.cost <= aim.cost;
  };
  for (int round = 0; round < kMostRounds; ++round) {
    Move best;
    std::size_t first = items.size(), first_to = 0, second = items.size(), second_to = 0;
    for (std::size_t a = 0; a < core.size(); ++a) {
      const AllocationItem& item = items[core[a]];
      for (std::size_t i = 0; i < item.options.size(); ++i) {
        const Move move = MoveOf(item, all.chosen[core[a]], i);
        if (fits(move) && better(move, best)) {
          best = move;
          first = core[a], first_to = i, second = items.size();
        }
        for (std::size_t b = a + 1; b < core.size(); ++b) {
          const AllocationItem& other = items[core[b]];
          for (std::size_t j = 0; j < other.options.size(); ++j) {
            const Move second_move = MoveOf(other, all.chosen[core[b]], j);
            const Move both{move.bytes + second_move.bytes, move.cost + second_move.cost};
            if (!fits(both) || !better(both, best)) continue;
            best = both;
            first = core[a], first_to = i, second = core[b], second_to = j;
          }
        }
      }
    }
    // Costs that differ by rounding alone are no reason to go on.
    const bool gains = aim.fewest_bytes ? best.bytes < 0 : best.cost < -1e-12 * (1 + all.cost);
    if (first == items.size() || !gains) return;
    Choose(items, first, first_to, all);
    if (second != items.size()) Choose(items, second, second_to, all);
  }
}

// The items of the steps nearest to where the budget ended.
std::vector<std::size_t> CoreOf(absl::Span<const Step> steps, std::size_t end) {
  constexpr std::size_t kSide = 24;
  std::vector<std::size_t> core;
  const std::size_t from = end > kSide ? end - kSide : 0;
  for (std::size_t i = from; i < std::min(steps.size(), end + kSide); ++i) {
    core.push_back(steps[i].item);
  }
  std::sort(core.begin(), core.end());
  core.erase(std::unique(core.begin(), core.end()), core.end());
  return core;
}

// The sum of many differences, anew.
void AddUp(absl::Span<const AllocationItem> items, Allocation& all) {
  all.cost = 0;
  for (std::size_t i = 0; i < items.size(); ++i) all.cost += items[i].options[all.chosen[i]].cost;
}

// Where one step takes what many others would, steps in the order of their worth are no guide: of
// the largest items all combinations of options are tried.
std::vector<std::size_t> LargestItems(absl::Span<const AllocationItem> items) {
  constexpr std::size_t kMostCombinations = 64;
  std::vector<std::uint64_t> spans;
  for (const AllocationItem& item : items) {
    const auto [least, most] = std::minmax_element(
        item.options.begin(), item.options.end(),
        [](const AllocationOption& a, const AllocationOption& b) { return a.bytes < b.bytes; });
    spans.push_back(most->bytes - least->bytes);
  }
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&spans](std::size_t a, std::size_t b) { return spans[a] > spans[b]; });
  std::vector<std::size_t> largest;
  std::size_t combinations = 1;
  for (const std::size_t item : order) {
    combinations *= items[item].options.size();
    if (combinations > kMostCombinations) break;
    largest.push_back(item);
  }
  return largest;
}

// An allocation, and which of the steps was the first not to be taken.
struct Begun {
  Allocation all;
  std::size_t end = 0;
};

// The smallest options, but for the largest items, which get each combination of theirs.
std::vector<Begun> Combinations(absl::Span<const AllocationItem> items,
                                absl::Span<const std::size_t> largest) {
  std::vector<Begun> begun;
  std::vector<std::size_t> options(largest.size(), 0);
  while (true) {
    Begun one{SmallestOfAll(items), 0};
    for (std::size_t i = 0; i < largest.size(); ++i) {
      Choose(items, largest[i], options[i], one.all);
    }
    AddUp(items, one.all);
    begun.push_back(std::move(one));
    std::size_t i = 0;
    while (i < largest.size() && ++options[i] == items[largest[i]].options.size()) {
      options[i++] = 0;
    }
    if (i == largest.size()) return begun;
  }
}

// Takes steps as long as they fit.
void Spend(absl::Span<const AllocationItem> items, absl::Span<const Step> steps,
           std::vector<bool> stopped, std::uint64_t bytes, Begun& begun) {
  begun.end = steps.size();
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (stopped[step.item]) continue;
    if (step.bytes > bytes - begun.all.bytes) {
      begun.end = std::min(begun.end, i);
      stopped[step.item] = true;
      continue;
    }
    Choose(items, step.item, step.to, begun.all);
  }
  AddUp(items, begun.all);
}

// Takes steps until the cost is low enough. False where it never is.
bool Reach(absl::Span<const AllocationItem> items, absl::Span<const Step> steps,
           const std::vector<bool>& stopped, double cost, Begun& begun) {
  // The running sum may be less than the sum.
  for (; begun.all.cost > cost; AddUp(items, begun.all)) {
    if (begun.end == steps.size()) return false;
    for (; begun.end < steps.size() && begun.all.cost > cost; ++begun.end) {
      const Step& step = steps[begun.end];
      if (!stopped[step.item]) Choose(items, step.item, step.to, begun.all);
    }
  }
  return true;
}

// The best of what was begun, after the few that are best so far have been improved.
template <typename Better>
std::optional<Allocation> BestOf(absl::Span<const AllocationItem> items,
                                 absl::Span<const Step> steps, const Aim& aim,
                                 std::vector<Begun> begun, const Better& better) {
  constexpr std::size_t kImproved = 4;
  std::stable_sort(begun.begin(), begun.end(),
                   [&better](const Begun& a, const Begun& b) { return better(a.all, b.all); });
  if (begun.size() > kImproved) begun.resize(kImproved);
  std::optional<Allocation> best;
  for (Begun& one : begun) {
    Improve(items, CoreOf(steps, one.end), aim, one.all);
    AddUp(items, one.all);
    if (!best || better(one.all, *best)) best = std::move(one.all);
  }
  return best;
}

std::vector<bool> Marked(std::size_t size, absl::Span<const std::size_t> items) {
  std::vector<bool> marked(size, false);
  for (const std::size_t item : items) marked[item] = true;
  return marked;
}

}  // namespace

std::optional<Allocation> AllocateWithin(absl::Span<const AllocationItem> items,
                                         std::uint64_t bytes) {
  const std::vector<Step> steps = StepsOf(items);
  const std::vector<std::size_t> largest = LargestItems(items);
  std::vector<Begun> begun;
  for (Begun& one : Combinations(items, largest)) {
    if (one.all.bytes > bytes) continue;
    Spend(items, steps, Marked(items.size(), largest), bytes, one);
    begun.push_back(std::move(one));
  }
  return BestOf(items, steps, {.bytes = bytes}, std::move(begun),
                [](const Allocation& a, const Allocation& b) { return a.cost < b.cost; });
}

std::optional<Allocation> AllocateFor(absl::Span<const AllocationItem> items, double cost) {
  const std::vector<Step> steps = StepsOf(items);
  const std::vector<std::size_t> largest = LargestItems(items);
  const std::vector<bool> marked = Marked(items.size(), largest);
  std::vector<Begun> begun;
  for (Begun& one : Combinations(items, largest)) {
    if (Reach(items, steps, marked, cost, one)) begun.push_back(std::move(one));
  }
  return BestOf(items, steps, {.cost = cost, .fewest_bytes = true}, std::move(begun),
                [](const Allocation& a, const Allocation& b) { return a.bytes < b.bytes; });
}

std::vector<FrontPoint> FrontOf(absl::Span<const AllocationItem> items) {
  const Allocation all = SmallestOfAll(items);
  std::vector<FrontPoint> front{{all.bytes, all.cost}};
  for (const Step& step : StepsOf(items)) {
    const FrontPoint& last = front.back();
    front.push_back({last.bytes + step.bytes, std::max(0.0, last.cost - step.gain)});
  }
  return front;
}

std::vector<FrontPoint> FilledFrontOf(absl::Span<const AllocationItem> items, std::size_t sizes) {
  std::vector<FrontPoint> points = FrontOf(items);
  const std::uint64_t first = points.front().bytes;
  const std::uint64_t span = points.back().bytes - first;
  for (std::size_t i = 1; i < sizes; ++i) {
    const std::optional<Allocation> found = AllocateWithin(items, first + span / sizes * i);
    if (found) points.push_back({found->bytes, found->cost});
  }
  std::sort(points.begin(), points.end(), [](const FrontPoint& a, const FrontPoint& b) {
    return std::pair(a.bytes, a.cost) < std::pair(b.bytes, b.cost);
  });
  std::vector<FrontPoint> front;
  for (const FrontPoint& point : points) {
    if (front.empty() || point.cost < front.back().cost) front.push_back(point);
  }
  return front;
}

}  // namespace onnxquant

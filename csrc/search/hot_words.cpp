#include "search/hot_words.h"

#include <algorithm>
#include <cmath>

#include "search/scores.h"

namespace sonant {

HotWords::HotWords(const std::vector<Phrase>& phrases) {
  struct Link {
    std::int32_t parent, label, depth, node;
  };
  std::vector<Link> links;
  for (std::size_t i = 0; i < phrases.size(); ++i) {
    const auto& [labels, boost] = phrases[i];
    if (labels.empty()) throw SearchError("hot word " + std::to_string(i) + ": found no labels, expected one or more");
    if (!std::isfinite(boost)) {
      throw SearchError("hot word " + std::to_string(i) + ": found the boost " + std::to_string(boost) +
                        ", expected a finite number");
    }
    std::int32_t node = kRoot, depth = 0;
    for (const std::int32_t label : labels) {
      const auto fresh = static_cast<std::int32_t>(nodes_.size());
      const std::int32_t child =
          children_.put(static_cast<std::uint32_t>(node), static_cast<std::uint32_t>(label), fresh);
      ++depth;
      if (child == fresh) {
        nodes_.emplace_back();
        links.push_back({node, label, depth, child});
      }
      node = child;
      if (depth < static_cast<std::int32_t>(labels.size())) {
        nodes_[node].pending = std::max(nodes_[node].pending, boost * depth / static_cast<double>(labels.size()));
      }
    }
    nodes_[node].earned += boost;
    longest_ = std::max(longest_, depth);
  }
  // Failure arcs lead to shorter ends, so that those are finished first.
  std::ranges::stable_sort(links, {}, &Link::depth);
  for (const auto& [parent, label, depth, node] : links) {
    const std::int32_t failure = parent == kRoot ? kRoot : step(nodes_[parent].failure, label);
    nodes_[node].failure = failure;
    nodes_[node].earned += nodes_[failure].earned;
    nodes_[node].pending = std::max(nodes_[node].pending, nodes_[failure].pending);
    most_ = std::max(most_, nodes_[node].earned + nodes_[node].pending);
  }
}

}  // namespace sonant

#include <algorithm>

#include "fst/builder.h"
#include "fst/special.h"
#include "fst/structure.h"

namespace sonant {

StdFst remove_useless_arcs(const StdFst& fst) {
  const View<TropicalWeight> view = fst.view();
  FstBuilder<TropicalWeight> made;
  std::vector<std::uint32_t> order;
  std::vector<char> useless;
  bool any = false;
  for (StateId s = 0; s < StateId(view.num_states); ++s) {
    const auto arcs = view.arcs_of(s);
    order.resize(arcs.size());
    for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto key = [&](std::uint32_t i) {
      return std::uint64_t(std::uint32_t(arcs[i].ilabel)) << 32 | std::uint32_t(arcs[i].nextstate);
    };
    // The best of each group first, of equal ones the first.
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
      if (key(a) != key(b)) return key(a) < key(b);
      const float x = arcs[a].weight.value, y = arcs[b].weight.value;
      return x != y ? x < y : a < b;
    });
    useless.assign(arcs.size(), 0);
    for (std::size_t i = 0; i < order.size(); ++i) {
      const Arc<TropicalWeight>& arc = arcs[order[i]];
      const bool loop = arc.ilabel == 0 && arc.nextstate == s;
      useless[order[i]] = loop || (i && key(order[i]) == key(order[i - 1]));
    }
    made.open(view.states[s].final);
    for (std::size_t i = 0; i < arcs.size(); ++i) {
      if (useless[i]) any = true;
      else made.add(arcs[i]);
    }
  }
  made.start = view.start;
  return any ? connect(made.finish()) : fst;
}

}  // namespace sonant

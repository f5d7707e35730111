#include "fst/lookahead.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "fst/file_parts.h"
#include "fst/walk.h"

namespace sonant {

namespace {

// Sorted, and those that touch joined.
void normalize(std::vector<Interval>& set) {
  std::ranges::sort(set, {}, &Interval::begin);
  std::size_t kept = 0;
  for (const Interval& next : set) {
    if (kept && next.begin <= set[kept - 1].end) {
      set[kept - 1].end = std::max(set[kept - 1].end, next.end);
    } else {
      set[kept++] = next;
    }
  }
  set.resize(kept);
}

bool contains(std::span<const Interval> set, Interval part) {
  const auto after = std::ranges::upper_bound(set, part.begin, {}, &Interval::begin);
  return after != set.begin() && part.end <= std::prev(after)->end;
}

}  // namespace

bool Reachability::reaches(StateId s, Label label) const { return contains(of(s), {label, label + 1}); }

template <class W>
void Reachability::check(const Fst<W>& fst) const {
  const std::lock_guard lock(mutex_);
  if (checked_ && checked_ == fst.identity()) return;
  const View<W> view = fst.view();
  const auto no = [](const auto&... why) {
    fst_error("the look-ahead data do not belong to the automaton: ", why...,
              "; make them anew with lookahead_relabel");
  };
  if (view.num_states != num_states()) no("they are of ", num_states(), " states, it has ", view.num_states);
  const Label Arc<W>::* const label = input ? &Arc<W>::ilabel : &Arc<W>::olabel;
  for (std::size_t s = 0; s < view.num_states; ++s) {
    const auto set = of(StateId(s));
    if (!is_zero(view.states[s].final) && (final_label < 0 || !contains(set, {final_label, final_label + 1}))) {
      no("state ", s, " is final, which they do not tell");
    }
    Label before = 0;
    for (const Arc<W>& arc : view.arcs_of(StateId(s))) {
      const Label found = arc.*label;
      if (found < before) {
        fst_error("look-ahead: the arcs of state ", s, " are not sorted by ", input ? "input" : "output", " label: ",
                  before, ", then ", found, "; sort them by '", input ? "ilabel'" : "olabel'");
      }
      before = found;
      if (found != 0) {
        if (!contains(set, {found, found + 1})) no("state ", s, " has the label ", found, ", which they do not tell");
        continue;
      }
      for (const Interval& part : of(arc.nextstate)) {
        if (!contains(set, part)) no("an epsilon leads from state ", s, " to labels that they do not tell");
      }
    }
  }
  checked_ = fst.identity();
}

std::vector<std::pair<Label, Label>> Reachability::relabel_pairs(bool avoid_collisions) const {
  if (!keeps_labels) {
    fst_error("the look-ahead data have no table of labels: the file was written without; relabel with the pairs that ",
              "were saved when it was made");
  }
  std::vector<std::pair<Label, Label>> pairs;
  std::vector<char> named(labels.size() + 1, 0);
  for (const auto& [old, now] : labels) {
    if (now == final_label) continue;
    pairs.emplace_back(old, now);
    if (old > 0 && std::size_t(old) <= labels.size()) named[old] = 1;
  }
  for (std::size_t i = 1; avoid_collisions && i <= labels.size(); ++i) {
    if (!named[i]) pairs.emplace_back(Label(i), Label(labels.size() + 1));
  }
  return pairs;
}

// The walk goes along epsilons, over components (a cycle of epsilons is one), from those that no epsilon leads to;
// where all that leads somewhere is a cycle, from that, the last ones first. A component's set is made of what its
// arcs and those behind it reach when the walk leaves it.
template <class W>
std::shared_ptr<Reachability> find_reachability(const Fst<W>& fst, bool input) {
  View<W> view = fst.view();
  const Label Arc<W>::* const label = input ? &Arc<W>::ilabel : &Arc<W>::olabel;
  view.start = kNoState;
  const std::size_t n = view.num_states;
  const Walk walked = walk(view, [&](const Arc<W>& arc) { return arc.*label == 0; });
  const auto& component = walked.component;
  // Members of each component, in order.
  std::vector<std::uint32_t> member(std::size_t(walked.components) + 1, 0);
  for (const std::int32_t c : component) ++member[c + 1];
  for (std::size_t c = 0; c < std::size_t(walked.components); ++c) member[c + 1] += member[c];
  std::vector<StateId> members(n);
  {
    std::vector<std::uint32_t> next(member.begin(), member.end() - 1);
    for (std::size_t s = 0; s < n; ++s) members[next[component[s]]++] = StateId(s);
  }
  std::vector<char> led_to(n, 0), source(std::size_t(walked.components), 1);
  for (std::size_t s = 0; s < n; ++s) {
    for (const Arc<W>& arc : view.arcs_of(StateId(s))) {
      if (arc.*label != 0) continue;
      led_to[arc.nextstate] = 1;
      if (component[s] != component[arc.nextstate]) source[component[arc.nextstate]] = 0;
    }
  }
  auto reach = std::make_shared<Reachability>();
  reach->input = input;
  std::unordered_map<Label, Label> number;
  std::vector<std::uint32_t> begin(std::size_t(walked.components)), end(std::size_t(walked.components));
  std::vector<char> seen(std::size_t(walked.components), 0);
  std::vector<Interval> sets;
  struct Frame {
    std::int32_t component;
    std::uint32_t at, arc;             // member and arc to look at next; the arc after the last is the final state
    std::vector<Interval> found;
  };
  std::vector<Frame> path;
  const auto enter = [&](std::int32_t c) {
    seen[c] = 1;
    path.push_back({c, member[c], 0, {}});
  };
  const auto meet = [&](Label old, std::vector<Interval>& found) {
    if (number.size() >= kMostStates - 2) fst_error("look-ahead: too many labels");
    const auto [place, is_new] = number.try_emplace(old, Label(number.size() + 1));
    if (is_new) reach->labels.emplace_back(old, place->second);
    if (found.empty() || found.back().end != place->second) {
      found.push_back({place->second, place->second + 1});
    } else {
      ++found.back().end;
    }
  };
  const auto run = [&](std::int32_t root) {
    enter(root);
    while (!path.empty()) {
      Frame& top = path.back();
      if (top.at < member[top.component + 1]) {
        const StateId s = members[top.at];
        const auto arcs = view.arcs_of(s);
        if (top.arc >= arcs.size()) {
          if (!is_zero(view.states[s].final)) meet(-1, top.found);
          ++top.at;
          top.arc = 0;
          continue;
        }
        const Arc<W>& arc = arcs[top.arc++];
        if (arc.*label != 0) {
          meet(arc.*label, top.found);
          continue;
        }
        const std::int32_t to = component[arc.nextstate];
        if (to == top.component) continue;
        if (seen[to]) {
          top.found.insert(top.found.end(), sets.begin() + begin[to], sets.begin() + end[to]);
          if (top.found.size() > 4096) normalize(top.found);
        } else {
          enter(to);
        }
        continue;
      }
      normalize(top.found);
      if (sets.size() + top.found.size() > kMostArcs) fst_error("look-ahead: too many intervals");
      begin[top.component] = static_cast<std::uint32_t>(sets.size());
      sets.insert(sets.end(), top.found.begin(), top.found.end());
      end[top.component] = static_cast<std::uint32_t>(sets.size());
      const std::vector<Interval> found = std::move(top.found);
      path.pop_back();
      if (!path.empty()) path.back().found.insert(path.back().found.end(), found.begin(), found.end());
    }
  };
  for (std::size_t s = 0; s < n; ++s) {
    if (!led_to[s]) run(component[s]);
  }
  std::vector<std::int32_t> rest;
  for (std::int32_t c = 0; c < walked.components; ++c) {
    if (source[c] && !seen[c]) rest.push_back(c);
  }
  std::ranges::sort(rest, std::greater(), [&](std::int32_t c) { return members[member[c]]; });
  for (const std::int32_t c : rest) run(c);

  if (const auto final = number.find(-1); final != number.end()) reach->final_label = final->second;
  reach->begin.reserve(n + 1);
  for (std::size_t s = 0; s < n; ++s) {
    const std::int32_t c = component[s];
    if (reach->intervals.size() + end[c] - begin[c] > kMostArcs) fst_error("look-ahead: too many intervals");
    reach->intervals.insert(reach->intervals.end(), sets.begin() + begin[c], sets.begin() + end[c]);
    reach->begin.push_back(static_cast<std::uint32_t>(reach->intervals.size()));
  }
  return reach;
}

// ---- Files

namespace {

bool flag(Input& in) {
  const auto value = number<std::uint8_t>(in, "a flag of the add-on");
  if (value > 1) in.error("a flag of ", int(value), " in the add-on; expected 0 or 1");
  return value;
}

template <class T>
void append(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

std::shared_ptr<Reachability> read_addon(Input& in) {
  std::shared_ptr<Reachability> read;
  if (!flag(in)) return read;
  for (int side = 0; side < 2; ++side) {
    if (!flag(in)) continue;
    auto reach = std::make_shared<Reachability>();
    reach->input = flag(in);
    reach->keeps_labels = flag(in);
    if (reach->keeps_labels) {
      const auto count = number<std::int64_t>(in, "the new labels of the add-on");
      check_count(in, count, kMostArcs, 8, "new labels of the add-on");
      struct Pair {
        Label old, now;
      };
      for (const Pair& pair : read_table<Pair>(in, count, "the new labels of the add-on")) {
        reach->labels.emplace_back(pair.old, pair.now);
      }
    }
    reach->final_label = number<std::int32_t>(in, "the final label of the add-on");
    const auto count = number<std::int64_t>(in, "the sets of the add-on");
    check_count(in, count, kMostStates, 12, "sets of the add-on");
    if (in.remaining() >= 0) reach->begin.reserve(std::size_t(count) + 1);
    Array<char> bytes;
    for (std::int64_t s = 0; s < count; ++s) {
      const auto size = number<std::int64_t>(in, "the intervals of the add-on");
      check_count(in, size, kMostArcs - reach->intervals.size(), sizeof(Interval), "intervals of the add-on");
      // Most sets are small: one look at the buffer for each.
      const std::size_t length = std::size_t(size) * sizeof(Interval) + sizeof(std::int32_t);
      const std::string_view here = in.available();
      const char* from = here.data();
      if (here.size() < length) {
        bytes = read_table<char>(in, std::int64_t(length), "the intervals of the add-on");
        from = bytes.data();
      }
      std::int64_t labels = 0;
      Label before = -2;  // -1 stands for the end where nothing is relabelled
      for (std::int64_t i = 0; i < size; ++i, from += sizeof(Interval)) {
        Interval interval;
        std::memcpy(&interval, from, sizeof interval);
        if (interval.begin < -1 || interval.begin <= before || interval.end <= interval.begin) {
          in.error("the labels from ", interval.begin, " to ", interval.end, " after ", before, " of state ", s,
                   " in the add-on; expected intervals in order");
        }
        before = interval.end;
        labels += std::int64_t(interval.end) - interval.begin;
        reach->intervals.push_back(interval);
      }
      std::int32_t promised;
      std::memcpy(&promised, from, sizeof promised);
      if (promised != labels && promised != -1) {
        in.error("the set of state ", s, " of the add-on has ", labels, " labels; the file promises ", promised);
      }
      if (here.size() >= length) in.take(length);
      reach->begin.push_back(static_cast<std::uint32_t>(reach->intervals.size()));
    }
    if (!read) read = std::move(reach);
  }
  return read;
}

void write_addon(Output& out, const Reachability& reach) {
  std::string bytes;
  append(bytes, std::uint8_t(1));
  append(bytes, std::uint8_t(reach.input));
  if (!reach.input) append(bytes, std::uint8_t(1));
  append(bytes, std::uint8_t(reach.input));
  append(bytes, std::uint8_t(reach.keeps_labels));
  if (reach.keeps_labels) {
    append(bytes, std::int64_t(reach.labels.size()));
    for (const auto& pair : reach.labels) append(bytes, pair.first), append(bytes, pair.second);
  }
  append(bytes, reach.final_label);
  append(bytes, std::int64_t(reach.num_states()));
  for (std::size_t s = 0; s < reach.num_states(); ++s) {
    const auto set = reach.of(StateId(s));
    append(bytes, std::int64_t(set.size()));
    std::int32_t count = 0;
    for (const Interval& interval : set) {
      append(bytes, interval);
      count += interval.end - interval.begin;
    }
    append(bytes, count);
    if (bytes.size() > (1 << 20)) {
      out.write(bytes);
      bytes.clear();
    }
  }
  if (reach.input) append(bytes, std::uint8_t(0));
  out.write(bytes);
}

#define SONANT_INSTANTIATE(W)                                                      \
  template std::shared_ptr<Reachability> find_reachability(const Fst<W>&, bool);   \
  template void Reachability::check(const Fst<W>&) const;
SONANT_INSTANTIATE(TropicalWeight)
SONANT_INSTANTIATE(LogWeight)

}  // namespace sonant

// Minimum Bayes risk (Xu, Povey, Mangu and Zhu, "Minimum Bayes risk decoding and system combination based on a recursion
// for edit distance", Computer Speech and Language 25, 2011), with the names of that paper and Kaldi's choices: gaps
// between words, ties, times.
//
// With words r_1..r_Q, gaps among them, alpha'(n, q) is the expected edit distance between what leads to state n and
// r_1..r_q. Each arc's contribution goes back, from the last state, to the three ways that it may have come: its word in
// the place of r_q, its word inserted, or r_q left out; their sums gamma(q, word) are the probabilities of words at
// position q. The likeliest ones become the new words until none changes.
#include <algorithm>
#include <cmath>

#include "fst/convert.h"
#include "fst/distance.h"
#include "lattice/lattice.h"

namespace sonant {

namespace {

constexpr const char* kName = "minimum Bayes risk";
constexpr double kInsertion = 1 + double(1e-5f);  // a word inserted costs a little more, so that alignments are determined

struct Edge {
  std::int32_t from;
  Label word;
  float score;   // logarithm of its probability
  double share;  // of the probability of the state that it leads to
};

class MinimumBayesRisk {
 public:
  MinimumBayesRisk(const CompactLattice& lattice, const std::vector<Label>* words, const MbrOptions& options)
      : options_(options), work_(kName, lattice.view()) {
    CompactLattice given = sorted(lattice, kName);
    const View<CompactWeight> view = given.view();
    check_costs(view, work_);
    const LatticeCosts costs = lattice_costs(view, false);
    if (!std::isfinite(costs.total)) {
      work_.fail("no path leads from its start to a final state; such a lattice has no words");
    }
    const LatticeTimes times = lattice_times(view);
    number_states(view, costs, times);
    if (words) words_ = *words;
    else best_path(view);
    for (const Label word : words_) {
      if (word < 0) work_.fail("the word ", word, "; expected numbers from 0 on");
    }
  }

  MbrResult run() {
    constexpr int kMostRounds = 101;
    for (int round = 0; round < kMostRounds; ++round) {
      with_gaps();
      accumulate();
      double gain = 0;
      if (options_.decode) {
        for (std::size_t q = 0; q < words_.size(); ++q) {
          const auto& bin = result_.sausage[q].words;
          const auto old = std::ranges::find(bin, words_[q], &Bin::Word::word);
          gain += double(old == bin.end() ? 0.0f : old->probability) - double(bin[0].probability);
          words_[q] = bin[0].word;
        }
      }
      if (gain == 0) break;
    }
    tell();
    return std::move(result_);
  }

 private:
  // States that paths go through, one behind the other where arcs lead, the last one that all of them come to; their
  // arcs by where they lead. All sums are taken in Kaldi's order and precision: ties are broken by their last bits.
  void number_states(const View<CompactWeight>& view, const LatticeCosts& costs, const LatticeTimes& times) {
    std::vector<std::int32_t> number(view.num_states, -1);
    StateId finals = 0, last_final = kNoState;
    for (StateId s = 0; s < StateId(view.num_states); ++s) {
      if (!std::isfinite(costs.forward[s]) || !std::isfinite(costs.backward[s])) continue;
      number[s] = std::int32_t(times_.size());
      times_.push_back(times.times[s]);
      if (is_zero(CompactWeight(view.states[s].final))) continue;
      ++finals;
      last_final = s;
    }
    const auto last = std::int32_t(times_.size());
    const bool one_end = finals == 1 && is_one(CompactWeight(view.states[last_final].final)) &&
                         view.states[last_final].arcs == 0 && number[last_final] == last - 1;
    if (!one_end) times_.push_back(times.frames);
    begin_.assign(times_.size() + 1, 0);
    const auto score_of = [](const CompactWeight& w) { return -(w.weight.graph + w.weight.acoustic); };
    const auto each = [&](auto visit) {
      for (StateId s = 0; s < StateId(view.num_states); ++s) {
        if (number[s] < 0) continue;
        for (const Arc<CompactWeight>& arc : view.arcs_of(s)) {
          if (number[arc.nextstate] < 0 || is_zero(CompactWeight(arc.weight))) continue;
          visit(number[s], number[arc.nextstate], Label(arc.ilabel), score_of(arc.weight));
        }
        const CompactWeight final = view.states[s].final;
        if (!is_zero(final) && !one_end) visit(number[s], last, Label(0), score_of(final));
      }
    };
    each([&](std::int32_t, std::int32_t to, Label, float) { ++begin_[std::size_t(to) + 1]; });
    for (std::size_t n = 0; n < times_.size(); ++n) begin_[n + 1] += begin_[n];
    edges_.resize(begin_.back());
    std::vector<std::uint32_t> at(begin_.begin(), begin_.end() - 1);
    each([&](std::int32_t from, std::int32_t to, Label word, float score) {
      edges_[at[to]++] = {from, word, score, 0};
    });
    std::vector<double> alpha(times_.size(), 0);
    for (std::size_t n = 1; n < times_.size(); ++n) {
      double sum = -std::numeric_limits<double>::infinity();
      const std::span<Edge> edges(edges_.data() + begin_[n], edges_.data() + begin_[n + 1]);
      for (const Edge& edge : edges) {
        const double own = alpha[edge.from] + edge.score, least = std::min(sum, own);
        sum = std::max(sum, own);
        if (std::isfinite(least)) sum += std::log1p(std::exp(least - sum));
      }
      alpha[n] = sum;
      for (Edge& edge : edges) edge.share = std::exp(alpha[edge.from] + edge.score - sum);
    }
  }

  void best_path(const View<CompactWeight>& view) {
    const Fst<TropicalWeight> costs = convert_fst<TropicalWeight>(view), path = shortest_path(costs.view(), {});
    const View<TropicalWeight> best = path.view();
    for (StateId s = best.start; s != kNoState && best.states[s].arcs; s = best.arcs_of(s)[0].nextstate) {
      words_.push_back(best.arcs_of(s)[0].ilabel);
    }
  }

  void with_gaps() {
    std::vector<Label> words = {0};
    for (const Label word : words_) {
      if (word == 0) continue;
      words.push_back(word);
      words.push_back(0);
    }
    words_ = std::move(words);
  }

  static double distance(Label a, Label b) { return a == b ? 0 : 1; }
  static double insertion(Label word) { return word == 0 ? 0 : kInsertion; }

  void accumulate() {
    const std::size_t N = times_.size(), Q = words_.size(), width = Q + 1;
    if (double(N) * double(width) * 16 > double(half_of_memory())) {
      work_.fail(N, " states and ", Q, " words need more than half of the memory of this machine; prune first");
    }
    const std::vector<Label>& r = words_;
    std::vector<double> alpha(N * width, 0), own(width), beta(N * width, 0), back(width);
    std::vector<char> way(width);
    for (std::size_t q = 1; q < width; ++q) alpha[q] = alpha[q - 1] + distance(0, r[q - 1]);
    std::vector<double> left(width, 0), least(width);  // what it costs to leave r_q out
    for (std::size_t q = 1; q < width; ++q) left[q] = distance(0, r[q - 1]);
    // The distances of one arc, and, to go back, which of the three ways is the shortest at each q.
    const auto distances = [&]<bool ways>(const Edge& edge) {
      work_.steps(width);
      const double* before = alpha.data() + std::size_t(edge.from) * width;
      const double inserted = insertion(edge.word);
      for (std::size_t q = 1; q < width; ++q) {
        const double replaced = before[q - 1] + distance(edge.word, r[q - 1]), more = before[q] + inserted;
        least[q] = std::min(replaced, more);
        if constexpr (ways) way[q] = replaced <= more ? 1 : 2;
      }
      own[0] = before[0] + inserted;
      for (std::size_t q = 1; q < width; ++q) {
        const double left_out = own[q - 1] + left[q];
        own[q] = std::min(least[q], left_out);
        if constexpr (ways) {
          if (left_out < least[q]) way[q] = 3;
        }
      }
    };
    for (std::size_t n = 1; n < N; ++n) {
      double* to = alpha.data() + n * width;
      for (std::uint32_t i = begin_[n]; i < begin_[n + 1]; ++i) {
        distances.template operator()<false>(edges_[i]);
        for (std::size_t q = 0; q < width; ++q) to[q] += edges_[i].share * own[q];
      }
    }
    result_.risk = alpha[N * width - 1];
    struct Sum {
      double probability = 0, begin = 0, end = 0;
    };
    Numbering places;  // of position and word
    std::vector<Sum> sums;
    const auto add = [&](std::size_t q, Label word, double probability, double begin, double end) {
      if (probability == 0) return;
      const std::uint32_t i = places(std::uint64_t(q) << 32 | std::uint32_t(word));
      if (i == sums.size()) sums.emplace_back();
      sums[i].probability += probability;
      sums[i].begin += probability * begin;
      sums[i].end += probability * end;
    };
    beta[N * width - 1] = 1;
    for (std::size_t n = N; n-- > 1;) {
      const double* here = beta.data() + n * width;
      for (std::uint32_t i = begin_[n]; i < begin_[n + 1]; ++i) {
        const Edge& edge = edges_[i];
        distances.template operator()<true>(edge);
        std::ranges::fill(back, 0);
        double* from = beta.data() + std::size_t(edge.from) * width;
        for (std::size_t q = Q; q >= 1; --q) {
          back[q] += edge.share * here[q];
          if (back[q] == 0) continue;
          if (way[q] == 1) {
            from[q - 1] += back[q];
            add(q, edge.word, back[q], times_[edge.from], times_[n]);
          } else if (way[q] == 2) {
            from[q] += back[q];
          } else {
            back[q - 1] += back[q];
            add(q, 0, back[q], times_[n], times_[n]);
          }
        }
        from[0] += back[0] + edge.share * here[0];
      }
    }
    double carried = 0;
    for (std::size_t q = Q; q >= 1; --q) {
      carried += beta[q];
      add(q, 0, carried, times_[0], times_[0]);
    }
    result_.sausage.assign(Q, {});
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::size_t q = (places.key(i) >> 32) - 1;
      const auto word = Label(std::uint32_t(places.key(i)));
      const auto probability = float(sums[i].probability);
      Bin& bin = result_.sausage[q];
      bin.words.push_back({word, probability, float(sums[i].begin / probability), float(sums[i].end / probability)});
      bin.begin += sums[i].begin;
      bin.end += sums[i].end;
    }
    for (std::size_t q = 0; q < Q; ++q) {
      std::ranges::sort(result_.sausage[q].words, [](const Bin::Word& a, const Bin::Word& b) {
        return a.probability != b.probability ? a.probability > b.probability : a.word > b.word;
      });
      if (q == 0) continue;
      double &end = result_.sausage[q - 1].end, &begin = result_.sausage[q].begin;
      if (end > begin) end = begin = 0.5 * (end + begin);
    }
  }

  // The words with their times, which do not overlap: where they did, the time is shared by their durations.
  void tell() {
    auto& times = result_.times;
    for (std::size_t q = 0; q < words_.size(); ++q) {
      if (words_[q] == 0 && !options_.print_silence) continue;
      const auto& bin = result_.sausage[q].words;
      const auto found = std::ranges::find(bin, words_[q], &Bin::Word::word);
      const Bin::Word& word = found == bin.end() ? bin[0] : *found;
      result_.words.push_back(words_[q]);
      result_.confidences.push_back(found == bin.end() ? 0 : word.probability);
      times.push_back({word.begin, word.end});
      if (times.size() < 2) continue;
      auto &a = times[times.size() - 2], &b = times.back();
      if (a.second <= b.first) continue;
      const float before = times.size() > 2 ? times[times.size() - 3].second : 0;
      const float left = std::max(before, std::min(a.first, b.first)), right = std::max(a.second, b.second);
      const float first = a.second - a.first, second = b.second - b.first;
      const float middle = first > 0 ? left + (right - left) * first / (first + second) : left;
      a = {left, middle};
      b = {middle, right};
    }
  }

  const MbrOptions options_;
  Work work_;
  std::vector<std::int32_t> times_;    // of states
  std::vector<std::uint32_t> begin_;  // of the edges into each state
  std::vector<Edge> edges_;
  std::vector<Label> words_;
  MbrResult result_;
};

}  // namespace

MbrResult minimum_bayes_risk(const CompactLattice& lattice, const std::vector<Label>* words, const MbrOptions& options) {
  return MinimumBayesRisk(lattice, words, options).run();
}

}  // namespace sonant

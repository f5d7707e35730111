// What OpenFst does with look-ahead and n-gram automata, for make_lookahead_golden.py and benchmarks/fst_lazy.py:
//
//   relabel FST LOOKAHEAD PAIRS   writes FST as olabel_lookahead, and the pairs of labels
//   ngram FST NGRAM               writes it as ngram
//   full A B OUT                  writes the whole of ComposeFst(A, B); prints its states and arcs
//   walk A B STATES BYTES         breadth first; prints seconds to make it and to walk it, states, arcs,
//                                states known, and MB of memory that both took
#include <fst/extensions/ngram/ngram-fst.h>
#include <fst/fstlib.h>
#include <fst/matcher-fst.h>

#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace fst;

static FstRegisterer<StdOLabelLookAheadFst> olabel;
static FstRegisterer<StdILabelLookAheadFst> ilabel;
static FstRegisterer<NGramFst<StdArc>> ngram;

static double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

static double megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes / 1024;
  }
  return 0;
}

int main(int argc, char** argv) {
  const std::string mode = argv[1];
  std::unique_ptr<StdFst> a(StdFst::Read(argv[2]));
  if (mode == "relabel") {
    const StdOLabelLookAheadFst ahead{*a};
    std::vector<std::pair<int, int>> pairs;
    LabelLookAheadRelabeler<StdArc>::RelabelPairs(ahead, &pairs, true);
    std::ofstream out(argv[4]);
    for (const auto& pair : pairs) out << pair.first << ' ' << pair.second << '\n';
    return !ahead.Write(argv[3]);
  }
  if (mode == "ngram") return !NGramFst<StdArc>(*a).Write(argv[3]);
  std::unique_ptr<StdFst> b(StdFst::Read(argv[3]));
  if (mode == "full") {
    const StdVectorFst whole{ComposeFst<StdArc>(*a, *b)};
    std::size_t arcs = 0;
    for (int s = 0; s < whole.NumStates(); ++s) arcs += whole.NumArcs(s);
    std::cout << whole.NumStates() << ' ' << arcs << '\n';
    return !whole.Write(argv[4]);
  }
  const double before = megabytes(), begin = cpu_seconds();
  const ComposeFst<StdArc> composed(*a, *b, CacheOptions(true, std::stoul(argv[5])));
  const double made = cpu_seconds();
  std::vector<int> queue;
  std::vector<char> seen;
  const auto meet = [&](int s) {
    if (s >= int(seen.size())) seen.resize(s + 1);
    if (!seen[s]) queue.push_back(s);
    seen[s] = 1;
  };
  if (composed.Start() >= 0) meet(composed.Start());
  std::size_t arcs = 0, i = 0;
  for (; i < queue.size() && i < std::stoul(argv[4]); ++i) {
    for (ArcIterator<StdFst> at(composed, queue[i]); !at.Done(); at.Next(), ++arcs) meet(at.Value().nextstate);
  }
  std::cout << made - begin << ' ' << cpu_seconds() - made << ' ' << i << ' ' << arcs << ' ' << queue.size() << ' '
            << megabytes() - before << '\n';
}

// The grammar G of an ARPA model, as Kaldi's arpa2fst makes it: a state a history, an arc a word, an arc of the
// backoff symbol from each history to the one without its oldest word. A context with no n-gram of its own (nothing
// but a backoff) is left out, and arcs into it go where it backs off to.
#pragma once

#include "lm/arpa.h"
#include "fst/fst.h"

namespace sonant {

struct ArpaGraph {
  Fst<TropicalWeight> fst;
  ArpaWarnings warnings;
};

// `backoff`: input label of the backoff arcs (#0), whose output is epsilon; <s> is then the start state, </s> final
// costs. With 0, <s> and </s> are words of arcs, and no state is left out. States and arcs are numbered as Kaldi's.
// Throws FstError where the model has no <s>.
ArpaGraph arpa_to_fst(Input& in, WordTable* words, const ArpaOptions& options, Label backoff);

}  // namespace sonant

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <stdexcept>

#include "bind/released.h"
#include "pool.h"
#include "transducer/lattice.h"
#include "transducer/rows.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T>
using Cells = nb::ndarray<T, nb::ndim<3>, nb::device::cpu>;
template <class T>
using Rows = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Values = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Lengths = Values<const std::int64_t>;

template <class T>
sonant::TransducerScores<T> scores_of(const Cells<T>& cells) {
  return {cells.data(),    cells.stride(0),          cells.stride(1),         cells.stride(2),
          std::int64_t(cells.shape(1)), std::int64_t(cells.shape(2))};
}

template <class A, class B>
bool same_shape(const A& a, const B& b) {
  return a.shape(0) == b.shape(0) && a.shape(1) == b.shape(1) && a.shape(2) == b.shape(2);
}

std::span<const std::int64_t> span_of(const Lengths& lengths) { return {lengths.data(), lengths.size()}; }

// Rows that one thread takes at once.
constexpr std::size_t kRows = 32;

template <class Body>
void over_rows(std::size_t rows, int threads, Body body) {
  sonant::parallel_for((rows + kRows - 1) / kRows, threads, [&](std::size_t block) {
    for (std::size_t i = block * kRows; i < std::min(rows, (block + 1) * kRows); ++i) body(i);
  });
}

// What each row may say beside blank: a token, nothing, or the row is padding, which is not looked at.
using Said = Values<const std::int32_t>;
constexpr std::int32_t kPadding = -2;

template <class T>
void check_rows(const Rows<const T>& logits, const Said& said, std::int32_t blank) {
  const std::int64_t columns = std::int64_t(logits.shape(1));
  const auto fits = [&](std::int32_t token) { return kPadding <= token && token < columns; };
  if (said.size() != logits.shape(0) || blank < 0 || blank >= columns ||
      !std::all_of(said.data(), said.data() + said.size(), fits)) {
    throw std::invalid_argument("tokens that do not fit the logits");
  }
}

template <class T>
void bind(nb::module_& m) {
  m.def(
      "transducer_totals",
      [](const Cells<const T>& blank, const Cells<const T>& emit, const Lengths& frames, const Lengths& tokens, bool diagonal,
         const Values<double>& totals, const Cells<T>& blank_occupancy, const Cells<T>& emit_occupancy, int num_threads) {
        const sonant::TransducerLattices<T> lattices{scores_of(blank), scores_of(emit), span_of(frames), span_of(tokens),
                                                     diagonal};
        const std::size_t batch = totals.size();
        const bool wanted = blank_occupancy.size() > 0;
        bool fits = blank.shape(0) == batch && emit.shape(0) == batch && frames.size() == batch && tokens.size() == batch;
        if (wanted) fits = fits && same_shape(blank, blank_occupancy) && same_shape(emit, emit_occupancy);
        for (std::size_t b = 0; fits && b < batch; ++b) {
          const std::int64_t t = frames.data()[b], u = tokens.data()[b];
          fits = t >= 0 && u >= 0 && t <= lattices.blank.rows && u < lattices.blank.columns && t <= lattices.emit.rows &&
                 u <= lattices.emit.columns;
        }
        if (!fits) throw std::invalid_argument("scores and lengths that do not fit each other");
        sonant::released([&] {
          const auto of_blank = scores_of(blank_occupancy), of_emit = scores_of(emit_occupancy);
          sonant::transducer_totals<T>(lattices, totals.data(), wanted ? &of_blank : nullptr, wanted ? &of_emit : nullptr,
                                       num_threads);
        });
      },
      "blank"_a.noconvert(), "emit"_a.noconvert(), "frames"_a.noconvert(), "tokens"_a.noconvert(), "diagonal"_a,
      "totals"_a.noconvert(), "blank_occupancy"_a.noconvert(), "emit_occupancy"_a.noconvert(), "num_threads"_a = 0,
      "Sums over alignments, and what share of them takes each arc into the arrays that are not empty.");
  m.def(
      "transducer_log_probs",
      [](const Rows<const T>& logits, const Said& said, std::int32_t of_blank, const Values<T>& norm, const Values<T>& blank,
         const Values<T>& token, int num_threads) {
        const std::size_t count = logits.shape(0), columns = logits.shape(1);
        check_rows<T>(logits, said, of_blank);
        if (norm.size() != count || blank.size() != count || token.size() != count) {
          throw std::invalid_argument("results that do not fit the rows");
        }
        sonant::released([&] {
          const auto* kernel = sonant::transducer_row_kernel<T>();
          over_rows(count, num_threads, [&](std::size_t i) {
            const sonant::TransducerRow of{of_blank, said.data()[i]};
            T *n = norm.data() + i, *b = blank.data() + i, *t = token.data() + i;
            if (of.token == kPadding) {
              *n = *b = *t = 0;
            } else {
              kernel->log_probs(std::int64_t(columns), logits.data() + i * columns, of, n, b, t);
            }
          });
        });
      },
      "logits"_a.noconvert(), "said"_a.noconvert(), "of_blank"_a, "norm"_a.noconvert(), "blank"_a.noconvert(), "token"_a.noconvert(),
      "num_threads"_a = 0, "Log-probabilities of each row's blank and token, and the norm that they have been taken by.");
  m.def(
      "transducer_logits_gradient",
      [](const Rows<const T>& logits, const Said& said, std::int32_t of_blank, const Values<const T>& norm,
         const Values<const T>& blank, const Values<const T>& token, const Rows<T>& gradient,
         int num_threads) {
        const std::size_t count = logits.shape(0), columns = logits.shape(1);
        check_rows<T>(logits, said, of_blank);
        if (norm.size() != count || blank.size() != count || token.size() != count || gradient.shape(0) != count ||
            gradient.shape(1) != columns) {
          throw std::invalid_argument("gradients that do not fit the rows");
        }
        sonant::released([&] {
          const auto* kernel = sonant::transducer_row_kernel<T>();
          over_rows(count, num_threads, [&](std::size_t i) {
            const sonant::TransducerRow of{of_blank, said.data()[i]};
            T* out = gradient.data() + i * columns;
            if (of.token == kPadding) {
              std::fill_n(out, columns, T(0));
            } else {
              kernel->gradient(std::int64_t(columns), logits.data() + i * columns, of, norm.data()[i], blank.data()[i],
                               token.data()[i], out);
            }
          });
        });
      },
      "logits"_a.noconvert(), "said"_a.noconvert(), "of_blank"_a, "norm"_a.noconvert(), "blank"_a.noconvert(), "token"_a.noconvert(),
      "gradient"_a.noconvert(), "num_threads"_a = 0,
      "The gradient of logits from those of their log-probabilities; it may take the place of the logits.");
}

}  // namespace

void bind_transducer(nb::module_& m) {
  bind<float>(m);
  bind<double>(m);
}

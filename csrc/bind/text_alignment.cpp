#include "search/text_alignment.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "guarded.h"

namespace nb = nanobind;
using namespace sonant;

void bind_text_alignment(nb::module_& m) {
  using Self = Guarded<TextAlignment>;
  using Matrix = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
  using Row = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
  nb::class_<Self>(m, "TextAlignment")
      .def("__init__",
           [](Self* self, std::vector<std::int32_t> tokens, std::vector<std::int32_t> word_ends, std::int32_t blank,
              double beam, double free_start, double free_token, std::array<double, 2> skip_start,
              std::array<double, 2> skip_token) {
             const AlignmentOptions options{beam,
                                            free_start,
                                            free_token,
                                            {skip_start[0], skip_start[1]},
                                            {skip_token[0], skip_token[1]}};
             new (self) Self(TextAlignment(std::move(tokens), std::move(word_ends), blank, options));
           })
      .def(
          "advance_ctc",
          [](Self& self, const Matrix& scores) {
            const Scores view{scores.data(), std::int64_t(scores.shape(0)), std::int64_t(scores.shape(1))};
            self.run([&](TextAlignment& alignment) { alignment.advance(view); });
          },
          nb::arg("scores").noconvert())
      .def(
          "advance_transducer",
          [](Self& self, const Row& blank, const Row& token, double free) {
            self.run([&](TextAlignment& alignment) {
              const auto [low, high] = alignment.window();
              const auto size = std::size_t(high - low + 1);
              if (blank.shape(0) != size || token.shape(0) != size) {
                throw SearchError("scores of " + std::to_string(blank.shape(0)) + " positions; expected " +
                                  std::to_string(size) + ", those of the window");
              }
              alignment.advance(blank.data(), token.data(), free);
            });
          },
          nb::arg("blank").noconvert(), nb::arg("token").noconvert(), nb::arg("free"))
      .def(
          "advance_transducer_several",
          [](Self& self, const Row& blank, const Row& token, double best_path, double free, std::int32_t most) {
            self.run([&](TextAlignment& alignment) {
              const auto [low, high] = alignment.window();
              const std::int64_t end = std::min<std::int64_t>(std::int64_t(high) + most, alignment.length());
              const auto size = std::size_t(end - low + 1);
              if (most < 1 || blank.shape(0) != size || token.shape(0) != size) {
                throw SearchError("scores of " + std::to_string(blank.shape(0)) + " positions; expected " +
                                  std::to_string(size) + ", those of the window");
              }
              alignment.advance(blank.data(), token.data(), best_path, free, most);
            });
          },
          nb::arg("blank").noconvert(), nb::arg("token").noconvert(), nb::arg("best_path"), nb::arg("free"),
          nb::arg("most"))
      .def("window", [](Self& self) { return self.run([](const TextAlignment& alignment) { return alignment.window(); }); })
      .def("frames", [](Self& self) { return self.run([](const TextAlignment& alignment) { return alignment.frames(); }); })
      .def("capacity",
           [](Self& self) { return self.run([](const TextAlignment& alignment) { return alignment.capacity(); }); })
      .def("score", [](Self& self) { return self.run([](const TextAlignment& alignment) { return alignment.score(); }); })
      // (kind, position, begin, end, score) of each span
      .def("spans", [](Self& self) {
        const auto spans = self.run([](const TextAlignment& alignment) { return alignment.spans(); });
        std::vector<std::tuple<int, int, int, int, double>> found;
        for (const TextAlignment::Span& s : spans) found.emplace_back(s.kind, s.position, s.begin, s.end, s.score);
        return found;
      });
}

// What the bindings of features share: samples that come in, and lists of waveforms in parallel.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "features/feature_error.h"
#include "pool.h"

using Samples = nanobind::ndarray<const float, nanobind::ndim<1>, nanobind::c_contig, nanobind::device::cpu>;

inline std::span<const float> view(const Samples& samples) { return {samples.data(), samples.size()}; }

inline std::vector<Samples> samples_of(const nanobind::list& waveforms) {
  std::vector<Samples> found;
  for (nanobind::handle waveform : waveforms) found.push_back(nanobind::cast<Samples>(waveform, false));
  return found;
}

// Calls work(i) for each waveform, without the GIL, on up to num_threads threads (0: all there are). Where some are
// bad, the error is that of the first, whatever the order in which threads came to them.
template <typename Work>
void for_each_waveform(const std::vector<Samples>& waveforms, int num_threads, Work work) {
  std::vector<std::string> errors(waveforms.size());
  {
    nanobind::gil_scoped_release no_gil;
    // Longest first, so that no thread is left alone with a long one at the end.
    std::vector<std::size_t> order(waveforms.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](auto a, auto b) { return waveforms[a].size() > waveforms[b].size(); });
    sonant::parallel_for(waveforms.size(), num_threads, [&](std::size_t i) {
      try {
        work(order[i]);
      } catch (const sonant::FeatureError& error) {
        errors[order[i]] = error.what();
      }
    });
  }
  for (std::size_t i = 0; i < errors.size(); ++i) {
    if (errors[i].empty()) continue;
    if (errors.size() == 1) throw sonant::FeatureError(errors[i]);
    sonant::feature_error("waveform ", i, " of ", errors.size(), ": ", errors[i]);
  }
}

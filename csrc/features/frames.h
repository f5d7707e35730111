// What Kaldi does to features after they are computed: sums over neighbouring frames (deltas, splicing), mean and
// variance normalisation. Definitions: feat/feature-functions, feat/online-feature and transform/cmvn of Kaldi.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "features/feature_error.h"

namespace sonant {

// Features by rows: (frames, dim).
struct Frames {
  const float* data;
  std::int64_t count;
  int dim;

  const float* row(std::int64_t frame) const { return data + frame * dim; }
};

// Throws FeatureError, with the place, where a value is not finite.
void require_finite(const Frames& features);

// One block of the output: the sum over k of taps[k] * frame[t + first + k], where frames beyond an end are its last.
struct FrameFilter {
  std::int64_t first;
  std::vector<float> taps;
};

// Fills (end - begin, filters.size() * dim) with every filter's sum at the frames begin to end.
void filter_frames(const Frames& features, std::span<const FrameFilter> filters, std::int64_t begin, std::int64_t end,
                   float* output);

// Adds the sums of the features, of their squares and of the weights to stats (2, dim + 1), as Kaldi lays them out:
// the total weight is the last of the first row. Products are taken in float, as Kaldi does. weights: null for ones.
void accumulate_cmvn(const Frames& features, const float* weights, double* stats);

struct SlidingCmn {
  std::int64_t window = 600;
  std::int64_t min_window = 100;
  bool center = false;
  bool normalize_variance = false;
};

// Fills output (frames, dim). Returns the frames at which a variance had to be floored.
std::vector<std::int64_t> sliding_cmn(const Frames& features, const SlidingCmn& options, float* output);

// Kaldi's OnlineCmvn: the mean of the last `window` frames, filled up while there are fewer with the statistics of
// the speaker, then with global ones.
struct OnlineCmvn {
  std::int64_t window = 600;
  double speaker_frames = 600;
  double global_frames = 200;
  bool normalize_mean = true;
  bool normalize_variance = false;
  std::vector<int> skip_dims;
  std::vector<double> speaker;  // (2, dim + 1), or empty
  std::vector<double> global;   // (2, dim + 1), or empty
};

// Moves stats (2, dim + 1) over the next frames of a recording and, where there is an output, fills it with them
// normalised. leaving: the frames that lie `window` before the last of these, as far as the recording had begun.
void online_cmvn(const Frames& features, const Frames& leaving, const OnlineCmvn& options, double* stats,
                 float* output);

// Fills stats up with the speaker's and the global ones, to `window` frames where they have as many.
void smooth_cmvn(const OnlineCmvn& options, int dim, double* stats);

}  // namespace sonant

"""Features of speech: Kaldi's log-mel filterbank, offline and streaming, in the native core."""

from sonant.features.fbank import Fbank, FbankConfig, FbankStream

__all__ = ["Fbank", "FbankConfig", "FbankStream"]

"""What decoders search (PyKaldi's `kaldi.decoder`): graphs of transcripts. Decoders are not here yet."""

from sonant.kaldi.decoder.training_graphs import TrainingGraphCompiler as TrainingGraphCompiler
from sonant.kaldi.decoder.training_graphs import TrainingGraphCompilerOptions as TrainingGraphCompilerOptions

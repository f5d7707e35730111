"""Decoders, what they take scores from, and graphs of transcripts, by PyKaldi's names (`kaldi.decoder`)."""

from sonant.kaldi.decoder.decodables import DecodableMapped as DecodableMapped
from sonant.kaldi.decoder.decodables import DecodableMatrixMapped as DecodableMatrixMapped
from sonant.kaldi.decoder.decodables import DecodableMatrixMappedOffset as DecodableMatrixMappedOffset
from sonant.kaldi.decoder.decodables import DecodableMatrixScaled as DecodableMatrixScaled
from sonant.kaldi.decoder.decodables import DecodableMatrixScaledMapped as DecodableMatrixScaledMapped
from sonant.kaldi.decoder.decodables import DecodableSum as DecodableSum
from sonant.kaldi.decoder.decodables import DecodableSumScaled as DecodableSumScaled
from sonant.kaldi.decoder.faster import BiglmFasterDecoder as BiglmFasterDecoder
from sonant.kaldi.decoder.faster import FasterDecoder as FasterDecoder
from sonant.kaldi.decoder.faster import LatticeBiglmFasterDecoder as LatticeBiglmFasterDecoder
from sonant.kaldi.decoder.faster import LatticeFasterDecoder as LatticeFasterDecoder
from sonant.kaldi.decoder.faster import LatticeFasterOnlineDecoder as LatticeFasterOnlineDecoder
from sonant.kaldi.decoder.options import BiglmFasterDecoderOptions as BiglmFasterDecoderOptions
from sonant.kaldi.decoder.options import FasterDecoderOptions as FasterDecoderOptions
from sonant.kaldi.decoder.options import LatticeFasterDecoderOptions as LatticeFasterDecoderOptions
from sonant.kaldi.decoder.training_graphs import TrainingGraphCompiler as TrainingGraphCompiler
from sonant.kaldi.decoder.training_graphs import TrainingGraphCompilerOptions as TrainingGraphCompilerOptions

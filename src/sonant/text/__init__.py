"""Tokens in and out of a network, and the text that comes of them.

    Tokens (SentencePiece) -> Word, Transcript -> render, write (txt json srt vtt tsv ctm TextGrid)
                           -> Alignment: a given text with times, and where it differs from the recording
                                               -> error_rate, report (word and character error rates)
                                                             -> recogs, error_stats (icefall's files)

SentencePiece, RapidFuzz and the Whisper normaliser are imported when first used.
"""

from sonant.text.alignment import Alignment, Phone, UnmatchedAudio, UnsaidWord
from sonant.text.error_files import error_stats, recogs, settings_summary
from sonant.text.errors import Edit, ErrorRate, UtteranceErrors, error_rate, report
from sonant.text.normalize import NORMALIZERS, normalize, spoken
from sonant.text.tokens import Tokens
from sonant.text.transcript import Transcript, Word
from sonant.text.writers import FORMATS, render, write

__all__ = [
    "FORMATS",
    "NORMALIZERS",
    "Alignment",
    "Edit",
    "ErrorRate",
    "Phone",
    "Tokens",
    "Transcript",
    "UnmatchedAudio",
    "UnsaidWord",
    "UtteranceErrors",
    "Word",
    "error_rate",
    "error_stats",
    "normalize",
    "recogs",
    "render",
    "report",
    "settings_summary",
    "spoken",
    "write",
]

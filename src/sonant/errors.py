"""Every error that sonant raises on purpose.

SonantError
├── AudioError            a recording that cannot be read, decoded or used
├── FeatureError          samples or options that no feature can be computed from
├── TokenError            a token model or an id that does not exist
├── SearchError           scores that do not fit the search
├── ModelError            a bundle that is missing, incomplete or corrupt
├── SessionError          a stream used after its end, or fed what it cannot take
├── ManifestError         a manifest line that names no usable utterance
├── ConfigError           an option with a value that cannot work
├── CheckpointError       a checkpoint that cannot be read or does not fit
├── TrainingError         training that cannot go on
├── ArkError              bytes of a Kaldi file, archive or stream that are not what they should be
├── SpecifierError        a specifier or extended filename that makes no sense or cannot be opened
├── OptionError           a command line or configuration file of Kaldi's kind that cannot be parsed
├── MatrixError           matrices and vectors whose shapes, types or values do not fit an operation
│   └── MatrixIndexError  an index, range or size outside a matrix or vector (an IndexError, as in PyKaldi)
├── FstError              an automaton, or a file of one, that is not what it should be
│   └── FstIndexError     a state, an arc or a symbol that is not there (an IndexError and KeyError too)
├── AcousticModelError    topologies, trees, transition and mixture models that do not fit together
└── MissingExtraError     a part of sonant that is not installed

A message names the file or value, what was found, what was expected, and the mend.
"""


class SonantError(Exception):
    """Base of every error that sonant raises on purpose."""


class AudioError(SonantError):
    pass


class FeatureError(SonantError, ValueError):
    pass


class TokenError(SonantError, ValueError):
    pass


class SearchError(SonantError, ValueError):
    pass


class DecodingError(SearchError, RuntimeError):
    pass


class ModelError(SonantError):
    pass


class SessionError(SonantError):
    pass


class ManifestError(SonantError):
    pass


class ConfigError(SonantError, ValueError):
    pass


class CheckpointError(SonantError):
    pass


class TrainingError(SonantError):
    pass


class ArkError(SonantError, RuntimeError):
    pass


class SpecifierError(SonantError, OSError):
    pass


class OptionError(SonantError, ValueError):
    pass


class MatrixError(SonantError, ValueError):
    pass


class MatrixIndexError(MatrixError, IndexError):
    pass


class FstError(SonantError, ValueError):
    pass


class FstIndexError(FstError, IndexError, KeyError):
    __str__ = Exception.__str__  # a KeyError shows the repr of its message


class AcousticModelError(SonantError, ValueError):
    pass


class MissingExtraError(SonantError, ImportError):
    """Something is needed that `pip install sonant[extra]` brings."""

    def __init__(self, what: str, extra: str):
        super().__init__(f"{what} needs an extra that is not installed: pip install 'sonant[{extra}]'")
        self.extra = extra

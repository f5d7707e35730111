"""Kaldi's executables: by their own names, with their options and specifiers, and their exit status.

`sonant kaldi copy-feats scp:feats.scp ark:-` runs one from a shell; `run(["copy-feats", ...])` from Python.
Commands read and write the streams of the thread they run in (`sonant.kaldi.base.io.standard_streams`), so
that a pipe may be made of threads. docs/kaldi_commands.md lists them.
"""

from collections.abc import Sequence
from importlib import import_module

from sonant.errors import OptionError

# Heading -> name -> (the module of this package, what the command does).
GROUPS = {
    "Waveforms": {
        "compute-mfcc-feats": ("waveforms", "mel-frequency cepstral coefficients"),
        "compute-fbank-feats": ("waveforms", "log outputs of mel filters"),
        "compute-plp-feats": ("waveforms", "perceptual linear prediction"),
        "compute-spectrogram-feats": ("waveforms", "log power spectra"),
        "compute-kaldi-pitch-feats": ("pitch", "pitch and how sure it is"),
        "process-kaldi-pitch-feats": ("pitch", "these, made fit for recognition"),
        "compute-and-process-kaldi-pitch-feats": ("pitch", "both in one"),
        "extract-segments": ("segments", "the parts of recordings that a segments file lists"),
        "wav-copy": ("copying", "copy waveforms"),
        "wav-to-duration": ("waveforms", "durations in seconds"),
    },
    "Normalisation": {
        "compute-cmvn-stats": ("cmvn", "statistics of an utterance, a speaker, or all"),
        "compute-cmvn-stats-two-channel": ("cmvn", "the same of telephone calls, by the louder side"),
        "apply-cmvn": ("cmvn", "normalise mean and variance by such statistics"),
        "apply-cmvn-sliding": ("cmvn", "normalise mean and variance over a window around each frame"),
        "modify-cmvn-stats": ("cmvn", "change statistics so that some dimensions are left as they are"),
    },
    "Features": {
        "copy-feats": ("copying", "copy features; compress them; from HTK's and Sphinx's formats"),
        "feat-to-dim": ("frames", "number of columns"),
        "feat-to-len": ("frames", "numbers of frames, or their sum"),
        "add-deltas": ("context", "append differences in time"),
        "add-deltas-sdc": ("context", "append shifted deltas"),
        "splice-feats": ("context", "each frame with those around it"),
        "paste-feats": ("frames", "features side by side"),
        "select-feats": ("frames", "some of the columns"),
        "subsample-feats": ("frames", "every n-th frame"),
        "transform-feats": ("frames", "apply linear or affine transforms"),
        "extract-feature-segments": ("segments", "the parts of features that a segments file lists"),
        "compute-vad": ("context", "voice activity by energy"),
        "select-voiced-frames": ("frames", "the frames that are voiced"),
    },
    "Tables": {
        "copy-matrix": ("copying", "copy matrices; scale them, take logarithms or powers"),
        "copy-vector": ("copying", "copy vectors; scale them"),
        "copy-int-vector": ("copying", "copy lists of integers: alignments, phones, words"),
        "copy-int-vector-vector": ("copying", "copy lists of lists of integers"),
        "copy-post": ("copying", "copy posteriors; scale and prune them"),
        "matrix-sum": ("sums", "sums of matrices: of several tables, of one, or of files"),
        "vector-sum": ("sums", "sums of vectors"),
        "fstcopy": ("copying", "copy automata"),
        "lattice-copy": ("copying", "copy lattices; make them compact or not"),
    },
    "Automata": {
        "arpa2fst": ("grammars", "the grammar of an ARPA file"),
        "arpa-to-const-arpa": ("grammars", "an ARPA file whose words are numbers as const-arpa"),
        "fstdeterminizestar": ("automata", "remove input epsilons and determinize"),
        "fstdeterminizelog": ("automata", "the same, adding up probabilities"),
        "fstpredeterminize": ("automata", "add labels so that determinization succeeds"),
        "fstminimizeencoded": ("automata", "merge states that are alike"),
        "fstpushspecial": ("automata", "move costs so that all states sum to the same"),
        "fstrmepslocal": ("automata", "remove epsilons where that makes nothing bigger"),
        "fstremoveuselessarcs": ("automata", "remove arcs that no best path needs"),
        "fstisstochastic": ("automata", "whether states sum to 1"),
        "fstrmsymbols": ("automata", "replace symbols by epsilons"),
        "fstpropfinal": ("automata", "final costs along backoff arcs"),
        "fsttablecompose": ("automata", "compose, single ones or tables"),
        "fstphicompose": ("automata", "compose with failure arcs"),
        "fstrhocompose": ("automata", "compose with arcs for the rest of labels"),
        "fstrand": ("automata", "a random automaton"),
        "fsts-to-transcripts": ("automaton_tables", "labels of the best paths of a table"),
        "fsts-project": ("automaton_tables", "labels of one side, of a table"),
        "fsts-scale": ("automaton_tables", "scale costs, of a table"),
        "fsts-union": ("automaton_tables", "unions of those with one key"),
        "fsts-concat": ("automaton_tables", "one after the other, of several tables"),
        "fsts-difference": ("automaton_tables", "strings that another table does not have"),
    },
    "OpenFst's commands": {
        "fstcompile": ("openfst_text", "make an automaton of text"),
        "fstprint": ("openfst_text", "print an automaton as text"),
        "fstinfo": ("openfst_text", "counts and properties"),
        "fstdraw": ("openfst_text", "draw in Graphviz's language"),
        "fstconvert": ("openfst_text", "change the format of a file"),
        "fstsymbols": ("openfst_text", "store, save or take away symbol tables"),
        "fstarcsort": ("openfst", "sort arcs"),
        "fstclosure": ("openfst", "repeat"),
        "fstcompose": ("openfst", "put the output of one into another"),
        "fstconcat": ("openfst", "one after the other"),
        "fstconnect": ("openfst", "leave out states on no path"),
        "fstdeterminize": ("openfst", "make deterministic"),
        "fstdifference": ("openfst", "strings that another does not have"),
        "fstequal": ("openfst", "whether two are the same"),
        "fstequivalent": ("openfst", "whether two have the same strings and costs"),
        "fstintersect": ("openfst", "strings of both"),
        "fstinvert": ("openfst", "exchange input and output"),
        "fstisomorphic": ("openfst", "whether two differ in numbers of states only"),
        "fstmap": ("openfst", "change labels or costs of arcs"),
        "fstminimize": ("openfst", "make the smallest with the same paths"),
        "fstproject": ("openfst", "labels of one side"),
        "fstprune": ("openfst", "leave out bad paths"),
        "fstpush": ("openfst", "move costs or labels"),
        "fstrandgen": ("openfst", "random paths"),
        "fstrelabel": ("openfst", "change labels"),
        "fstreverse": ("openfst", "turn all paths round"),
        "fstrmepsilon": ("openfst", "remove epsilons"),
        "fstshortestdistance": ("openfst", "costs of paths to each state"),
        "fstshortestpath": ("openfst", "best paths"),
        "fsttopsort": ("openfst", "states in topological order"),
        "fstunion": ("openfst", "paths of both"),
    },
    "Decoding graphs": {
        "fstcomposecontext": ("graphs", "compose phones in context with a graph"),
        "make-h-transducer": ("graphs", "HMMs of phones in context, without self-loops"),
        "add-self-loops": ("graphs", "the self-loops of HMMs"),
        "compile-train-graphs": ("graphs", "graphs of transcripts"),
        "make-ilabel-transducer": ("graphs", "the first of phones in context with the same pdfs"),
        "fstaddselfloops": ("graphs", "self-loops with disambiguation symbols"),
        "fstaddsubsequentialloop": ("graphs", "a symbol that may be repeated at the end"),
    },
    "Decoding": {
        "decode-faster": ("decoding", "words of log-likelihoods of labels"),
        "decode-faster-mapped": ("decoding", "words of log-likelihoods of pdfs"),
        "latgen-faster-mapped": ("decoding", "lattices of log-likelihoods of pdfs"),
        "gmm-decode-faster": ("decoding", "words of features"),
        "gmm-latgen-faster": ("decoding", "lattices of features"),
    },
    "Lattices": {
        "lattice-scale": ("lattices", "scale costs"),
        "lattice-prune": ("lattices", "take away what is outside a beam"),
        "lattice-determinize-pruned": ("lattices", "the best path of each sequence of words"),
        "lattice-determinize-phone-pruned": ("lattices", "the same with phones first"),
        "lattice-push": ("lattices", "costs and transition-ids towards the start"),
        "lattice-minimize": ("lattices", "make states that are alike one"),
        "lattice-add-penalty": ("lattices", "a penalty for each word"),
        "lattice-limit-depth": ("lattices", "the best arcs of each frame"),
        "lattice-expand-ngram": ("lattices", "part states by the words before them"),
        "lattice-rmali": ("lattices", "remove transition-ids"),
        "lattice-project": ("lattices", "words, or transition-ids, on both sides"),
        "lattice-union": ("lattices", "the paths of two tables"),
        "lattice-combine": ("lattice_forms", "the paths of several systems, by their posteriors"),
        "lattice-to-fst": ("lattice_forms", "automata of words"),
        "lattice-reverse": ("lattice_forms", "turn all paths round"),
        "lattice-interp": ("lattices", "the sentences that two tables have, with costs of both"),
        "lattice-compose": ("lattices", "compose with lattices or an automaton"),
        "lattice-best-path": ("lattice_paths", "words and transition-ids of best paths"),
        "lattice-1best": ("lattice_paths", "best paths, as lattices"),
        "lattice-to-nbest": ("lattice_paths", "n best paths, as lattices"),
        "nbest-to-linear": ("lattice_paths", "these as transition-ids, words and costs"),
        "linear-to-nbest": ("lattice_paths", "and back"),
        "nbest-to-ctm": ("lattice_paths", "words and times of best paths"),
        "lattice-mbr-decode": ("lattice_measures", "words with the least expected number of errors"),
        "lattice-to-ctm-conf": ("lattice_measures", "words, times and confidences"),
        "lattice-oracle": ("lattice_measures", "paths with the fewest errors"),
        "lattice-confidence": ("lattice_measures", "how much worse the second sentence is"),
        "lattice-depth": ("lattice_measures", "how many arcs cross a frame, on average"),
        "lattice-depth-per-frame": ("lattice_measures", "how many arcs cross each frame"),
        "lattice-to-post": ("lattice_measures", "probabilities of transition-ids"),
        "lattice-lmrescore": ("lattice_models", "add the costs of a grammar"),
        "lattice-lmrescore-const-arpa": ("lattice_models", "add the costs of a const-arpa model"),
        "lattice-lmrescore-pruned": ("lattice_models", "one language model for another, best parts first"),
        "lattice-align-words": ("lattice_models", "a word an arc, by where phones stand in words"),
        "lattice-align-words-lexicon": ("lattice_models", "a word an arc, by pronunciations"),
        "lattice-align-phones": ("lattice_models", "a phone an arc"),
        "lattice-to-phone-lattice": ("lattice_models", "phones in the place of words"),
        "lattice-boost-ali": ("lattice_models", "wrong phones cheaper, for boosted MMI"),
        "lattice-to-mpe-post": ("lattice_models", "derivatives of the MPE criterion"),
        "lattice-to-smbr-post": ("lattice_models", "derivatives of the sMBR criterion"),
    },
    "Models and alignments": {
        "gmm-copy": ("models", "copy a model: the whole, or one of its parts"),
        "copy-gmm": ("models", "another name of gmm-copy"),
        "gmm-info": ("models", "what is in a model"),
        "am-info": ("models", "what is in a transition model"),
        "copy-transition-model": ("models", "the transition model of a model"),
        "copy-tree": ("models", "copy a decision tree"),
        "tree-info": ("models", "what is in a decision tree"),
        "gmm-global-copy": ("models", "copy one mixture"),
        "gmm-global-info": ("models", "what is in one mixture"),
        "ali-to-pdf": ("alignments", "alignments in pdf-ids"),
        "ali-to-phones": ("alignments", "the phones of alignments, and their lengths or times"),
        "ali-to-post": ("alignments", "alignments as posteriors"),
        "post-to-weights": ("alignments", "the sum of posteriors of each frame"),
        "show-alignments": ("alignments", "alignments for people to read"),
    },
}
COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}


def run(arguments: Sequence[str]) -> int:
    """Runs a command: `arguments` begins with its name.

    Returns Kaldi's exit status: 0 where something was done, 1 where nothing could be, or the number of
    arguments was wrong. Raises a SonantError where Kaldi would end with an error.
    """
    name, *rest = arguments
    if name not in COMMANDS:
        import difflib

        alike = " or ".join(difflib.get_close_matches(name, COMMANDS)) or "another"
        raise OptionError(f"there is no command '{name}'; expected {alike}: sonant kaldi --help lists them")
    module = import_module(f"{__name__}.{COMMANDS[name][0]}")
    return getattr(module, name.replace("-", "_")).run(name, rest)

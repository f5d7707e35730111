"""Automata in files that extended filenames name: pipes, offsets, standard streams."""

from sonant import _native
from sonant.kaldi.fstext.automata import FstBase
from sonant.kaldi.fstext.kinds import CONST_TYPES, VECTOR_TYPES
from sonant.kaldi.util.io import InputType, OutputType, classify_rxfilename, classify_wxfilename, xopen


def read_fst_kaldi(rxfilename: str) -> FstBase:
    """Any automaton in OpenFst's binary format, in the class that the file calls for (StdVectorFst, ...).

    Raises SpecifierError (an OSError) where it cannot be opened, ArkError where it is no such file.
    """
    plain = classify_rxfilename(rxfilename) == InputType.FILE_INPUT
    with xopen(rxfilename, "rb") as opened:
        native, form, isymbols, osymbols, *_ = _native.read_fst(opened.stream(), plain, plain)
    kinds = CONST_TYPES if form == "const" else VECTOR_TYPES
    return kinds[native.arc_type].of_native(native, isymbols, osymbols)


def write_fst_kaldi(fst: FstBase, wxfilename: str) -> None:
    """Writes OpenFst's binary format. A plain file is replaced when all is written."""
    if classify_wxfilename(wxfilename) == OutputType.FILE_OUTPUT:
        fst.write(wxfilename)
        return
    with xopen(wxfilename, "wb", write_header=False) as opened:
        fst.write_to_stream(opened.stream())

"""A lang directory from a dictionary: the files of Kaldi's utils/prepare_lang.sh."""

import os
from collections.abc import Callable, Iterable, Sequence

from sonant.errors import FstError
from sonant.fst.files import Path
from sonant.fst.graphs.dictionary import Dictionary, Phones
from sonant.fst.graphs.lang import BACKOFF, Lang, Root
from sonant.fst.graphs.lexicon import EPSILON, Lexicon, encoded, word_table
from sonant.fst.graphs.lexicon_fst import Style, lexicon_fst
from sonant.fst.symbols import SymbolTable

_PLACES = {"_B": "begin", "_E": "end", "_I": "internal", "_S": "singleton"}
_SUFFIXES = tuple(_PLACES)


def prepare_lang(
    source: Dictionary | Path,
    oov: str | None = None,
    *,
    position_dependent: bool = True,
    silence_states: int = 5,
    nonsilence_states: int = 3,
    share_silence_phones: bool = False,
    share_state_roots: bool = True,
    silence_probability: float = 0.5,
    phone_symbols: SymbolTable | None = None,
    word_disambig: Sequence[str] = (),
    extra_phone_disambig: int = 1,
    style: Style = "current",
) -> Lang:
    """The lang directory of a dictionary (a `Dictionary`, its directory, or a lexicon file), file for file as
    Kaldi's utils/prepare_lang.sh makes it. `Lang.write` writes it.

    oov: the word that stands for all words that are not in the lexicon, one of the lexicon.
    position_dependent: phones are marked by their place in the word (_B, _I, _E, _S).
    silence_states, nonsilence_states: of the models of silence and speech in the topology.
    phone_symbols: the table (phones.txt) of a trained model, whose keys are kept.
    word_disambig: further disambiguation symbols of the grammar, beside #0.
    style: see `lexicon_fst`.

    Raises FstError, which names file and line: see `Dictionary.read`; where `oov` is not in the lexicon; or
    where `phone_symbols` lack a phone.
    """
    if isinstance(source, Dictionary):
        dictionary = source
    elif os.path.isdir(source):
        dictionary = Dictionary.read(source)
    else:
        dictionary = Dictionary.of_lexicon(Lexicon.read(source))
    for name, states in (("silence_states", silence_states), ("nonsilence_states", nonsilence_states)):
        if states < 1:
            raise FstError(f"{name}={states}; expected at least 1")
    lexicon = dictionary.lexicon
    names = set(lexicon.words)
    if oov is not None and oov not in names:
        raise FstError(
            f"{lexicon.source}: oov={oov!r} is not in the lexicon; add a line for it, or name another word"
        )
    if position_dependent:
        lexicon = lexicon.with_positions()

    def placed(phone: str, silence: bool) -> tuple[str, ...]:
        own = (phone,) if silence or not position_dependent else ()
        return own + tuple(f"{phone}{suffix}" for suffix in _SUFFIXES if position_dependent)

    marked = {
        phone: placed(phone, silence)
        for silence, rows in ((True, dictionary.silence_phones), (False, dictionary.nonsilence_phones))
        for row in rows
        for phone in row
    }

    def spread(rows: Iterable[Sequence[str]]) -> Phones:
        return tuple(tuple(form for phone in row for form in marked[phone]) for row in rows)

    silence, nonsilence = (spread(d) for d in (dictionary.silence_phones, dictionary.nonsilence_phones))
    silence_list, nonsilence_list = (tuple(p for row in rows for p in row) for rows in (silence, nonsilence))
    lexicon_disambig, highest = lexicon.disambiguated()
    highest += extra_phone_disambig
    disambig = (*(f"#{n}" for n in range(highest + 1)), *word_disambig)
    phones = _phone_table([*silence_list, *nonsilence_list], disambig, phone_symbols)
    words = word_table(names, word_disambig)

    shared_silence = (silence_list,) if share_silence_phones else silence
    roots = [Root(share_state_roots, True, row) for row in (*shared_silence, *nonsilence)]
    if share_silence_phones:  # the pdfs of silence are shared by all, and never split
        roots[0] = Root(False, False, silence_list)
    boundary = dictionary.word_boundary
    questions = spread(dictionary.extra_questions)
    if position_dependent:
        boundary = tuple((p, _PLACES.get(p[-2:], "nonword")) for p in (*silence_list, *nonsilence_list))
        bare_silence, bare_speech = (
            [p for row in rows for p in row]
            for rows in (dictionary.silence_phones, dictionary.nonsilence_phones)
        )
        questions += tuple(tuple(f"{p}{suffix}" for p in bare_speech) for suffix in _SUFFIXES)
        questions += tuple(tuple(f"{p}{suffix}" for p in bare_silence) for suffix in ("", *_SUFFIXES))
    optional = dictionary.optional_silence
    align = {(entry.word, entry.word, *entry.phones) for entry in lexicon.pronunciations}
    if optional is not None:
        align.add((EPSILON, EPSILON, optional))
    through = (BACKOFF, *word_disambig)
    plain = lexicon_fst(
        lexicon, phones, words, silence_phone=optional, silence_probability=silence_probability, style=style
    )
    disambiguated = lexicon_fst(
        lexicon_disambig,
        phones,
        words,
        silence_phone=optional,
        silence_probability=silence_probability,
        silence_disambiguation=None if optional is None else f"#{highest}",
        pass_through=[(phones.find(s) or 0, words.find(s) or 0) for s in through],
        style=style,
    )
    return Lang(
        words=words,
        phones=phones,
        lexicon=plain,
        lexicon_disambig=disambiguated,
        disambig=disambig,
        word_disambig=through,
        silence_phones=silence_list,
        nonsilence_phones=nonsilence_list,
        optional_silence=() if optional is None else (optional,),
        context_independent=silence_list,
        phone_sets=(*shared_silence, *nonsilence),
        roots=tuple(roots),
        extra_questions=questions,
        align_lexicon=tuple(sorted(align, key=lambda row: encoded(" ".join(row)))),
        word_boundary=boundary,
        oov=oov,
        topology=topology_text(phones, silence_list, nonsilence_list, silence_states, nonsilence_states),
    )


def _phone_table(phones: Sequence[str], disambig: Sequence[str], given: SymbolTable | None) -> SymbolTable:
    if given is None:
        return SymbolTable([EPSILON, *phones, *disambig], "phones.txt")
    missing = [phone for phone in phones if phone not in given]
    if missing:
        some = ", ".join(missing[:10])
        raise FstError(
            f"{len(missing)} phones of the dictionary are not in '{given.name}' of {len(given)} symbols: "
            f"{some}; the model has other phones, or its phones depend (or do not) on the place in the word"
        )
    keyed = sorted((given.find(phone) or 0, phone) for phone in (EPSILON, *phones))
    first = given.find(BACKOFF)
    first = max(given.available_key, keyed[-1][0] + 1) if first is None else first
    table = SymbolTable([(phone, key) for key, phone in keyed], "phones.txt")
    for number, symbol in enumerate(disambig):
        table.add(symbol, first + number)
    return table


def topology_text(
    phones: SymbolTable,
    silence: Sequence[str],
    nonsilence: Sequence[str],
    silence_states: int,
    nonsilence_states: int,
) -> str:
    """The topologies of utils/gen_topo.pl: Bakis models of speech; in models of silence the inner states go
    to each other in any order."""

    def entry(members: Sequence[str], states: list[str]) -> list[str]:
        keys = " ".join(str(phones.find(phone)) for phone in members)
        return ["<TopologyEntry>", "<ForPhones>", keys, "</ForPhones>", *states, "</TopologyEntry>"]

    def state(number: int, targets: Iterable[int], probability: Callable[[int], float]) -> str:
        arcs = "".join(f"<Transition> {to} {probability(to):.15g} " for to in targets)
        return f"<State> {number} <PdfClass> {number} {arcs}</State>"

    def bakis(number: int) -> str:
        return state(number, (number, number + 1), lambda to: 0.75 if to == number else 0.25)

    n = silence_states
    within = [state(k, range(n - 1) if k == 0 else range(1, n), lambda _: 1 / (n - 1)) for k in range(n - 1)]
    if n < 3:  # there are no inner states; of two, the first would have no way out
        within = [*map(bakis, range(n - 1))]
    speech = entry(
        nonsilence, [*map(bakis, range(nonsilence_states)), f"<State> {nonsilence_states} </State>"]
    )
    quiet = entry(silence, [*within, bakis(n - 1), f"<State> {n} </State>"])
    return "\n".join(["<Topology>", *speech, *quiet, "</Topology>", ""])

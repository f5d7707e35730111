"""Golden data of lattices, made by Kaldi through PyKaldi 0.2.1 (Python 3.7).

    python tests/oracle/make_lattice_golden.py tests/lattice/golden

Random raw lattices with what Kaldi makes of them; and lattices of a small model with three-state phones, as
determinization leaves them: words and transition-ids apart.
"""

import gzip
import json
import os
import random
import sys

import kaldi.base
import numpy as np
from kaldi.decoder import DecodableMatrixScaled
from kaldi.fstext import (
    CompactLatticeVectorFst,
    CompactLatticeWeight,
    LatticeArc,
    LatticeVectorFst,
    LatticeWeight,
)
from kaldi.fstext.special import StdUnweightedNgramFst
from kaldi.fstext.utils import convert_compact_lattice_to_lattice
from kaldi.hmm import HmmTopology, TransitionModel
from kaldi.lat import align
from kaldi.lat import functions as F
from kaldi.lat.sausages import MinimumBayesRisk, MinimumBayesRiskOptions
from kaldi.matrix import Matrix
from kaldi.tree import monophone_context_dependency
from kaldi.util.io import xopen
from kaldi.util.table import LatticeWriter

kaldi.base.set_verbose_level(-1)
TYPES = ["nonword", "begin", "end", "internal", "singleton", "begin", "end"]  # of phones 1, 2, ...
LEXICON = {1: [2, 3], 2: [2, 4, 3], 3: [5], 4: [6, 4, 4, 7], 5: [6, 3], 6: [2, 7]}
TOPOLOGY = """<Topology> <TopologyEntry> <ForPhones> 1 2 3 4 5 6 7 </ForPhones>
<State> 0 <PdfClass> 0 <Transition> 0 0.5 <Transition> 1 0.5 </State>
<State> 1 <PdfClass> 1 <Transition> 1 0.5 <Transition> 2 0.5 </State>
<State> 2 <PdfClass> 2 <Transition> 2 0.5 <Transition> 3 0.5 </State>
<State> 3 </State> </TopologyEntry> </Topology>
"""


def numbers(values):
    return [round(float(value), 6) for value in values]


def costs(weight):
    return numbers([weight.weight.value1, weight.weight.value2])


def dumped(lattice):
    states = []
    for s in range(lattice.num_states()):
        final = lattice.final(s)
        arcs = [[a.ilabel, *costs(a.weight), list(a.weight.string), a.nextstate] for a in lattice.arcs(s)]
        end = None
        if final != CompactLatticeWeight.zero():
            end = [*costs(final), list(final.string)]
        states.append([end, arcs])
    return states


def random_lattice(rng, frames, width, words, ids, share):
    """Layers of states, one a frame."""
    lattice = LatticeVectorFst()
    layers = [[lattice.add_state()]]
    lattice.set_start(0)
    for _ in range(frames):
        layers.append([lattice.add_state() for _ in range(rng.randint(1, width))])
    for i in range(frames):
        here, there = layers[i], layers[i + 1]
        for s in here:
            for d in there:
                if rng.random() > 0.7 and d != there[0]:
                    continue
                for _ in range(rng.choice([1, 1, 1, 2])):
                    word = rng.randint(1, words) if rng.random() < share * rng.random() else 0
                    weight = LatticeWeight(round(rng.random() * 3, 3), round(rng.random() * 5 - 1, 3))
                    lattice.add_arc(s, LatticeArc(rng.randint(1, ids), word, weight, d))
    for s in layers[-1]:
        lattice.set_final(s, LatticeWeight(round(rng.random(), 3), 0.0))
    lattice.connect()
    return lattice


def determinized(lattice, beam, **options):
    opts = F.DeterminizeLatticePrunedOptions()
    for name, value in options.items():
        setattr(opts, name, value)
    return F.determinize_lattice_pruned(lattice, beam, opts)


def changed(lattice, *operations):
    result = CompactLatticeVectorFst(lattice)
    for operation in operations:
        operation(result)
    return dumped(result)


def mbr(lattice, decode, print_silence):
    opts = MinimumBayesRiskOptions()
    opts.decode_mbr, opts.print_silence = decode, print_silence
    found = MinimumBayesRisk(lattice, opts)
    return {
        "words": list(found.get_one_best()),
        "times": [numbers(pair) for pair in found.get_one_best_times()],
        "confidences": numbers(found.get_one_best_confidences()),
        "risk": found.get_bayes_risk(),
        "sausage": [[[w, round(p, 6)] for w, p in position] for position in found.get_sausage_stats()],
        "sausage_times": [numbers(pair) for pair in found.get_sausage_times()],
    }


def of_random(lattice):
    made = determinized(lattice, 4.0)
    confidence = F.sentence_level_confidence(made)
    result = {
        "wide": dumped(determinized(lattice, 8.0)),
        "narrow": dumped(made),
        "max_states": dumped(determinized(lattice, 8.0, max_states=20)),
        "max_arcs": dumped(determinized(lattice, 6.0, max_arcs=20, retry_cutoff=0.1)),
        "push_strings": changed(made, F.push_compact_lattice_strings),
        "push_weights": changed(made, F.push_compact_lattice_strings, F.push_compact_lattice_weights),
        "minimize": changed(
            made, F.push_compact_lattice_strings, F.push_compact_lattice_weights, F.minimize_compact_lattice
        ),
        "limit_depth": changed(made, lambda lat: F.compact_lattice_limit_depth(3, lat)),
        "penalty": changed(made, lambda lat: F.add_word_ins_pen_to_compact_lattice(0.5, lat)),
        "pruned": changed(made, lambda lat: F.prune_lattice(1.50037, lat)),
        "history": dumped(F.compose_compact_lattice_deterministic(made, StdUnweightedNgramFst(3))),
        "best": dumped(F.compact_lattice_shortest_path(made)),
        "confidence": [confidence[0], *map(list, confidence[2:])],
        "longest": F.longest_sentence_length_in_lattice(made),
        "mbr": {f"{d}{s}": mbr(made, bool(d), bool(s)) for d in (0, 1) for s in (0, 1)},
    }
    ordered = CompactLatticeVectorFst(made)
    F.top_sort_lattice_if_needed(ordered)
    result["sorted"] = dumped(ordered)
    result["times"] = list(F.lattice_state_times(ordered)[1])
    result["depth"] = F.compact_lattice_depth(ordered)[0]
    result["depth_per_frame"] = list(F.compact_lattice_depth_per_frame(ordered))
    result["costs"] = [
        [numbers(x) for x in F.compute_lattice_alphas_and_betas(ordered, best)[1:]] for best in (False, True)
    ]
    raw = LatticeVectorFst(lattice)
    F.top_sort_lattice_if_needed(raw)
    total, posteriors, acoustic = F.lattice_forward_backward(raw)
    result["posteriors"] = [total, [[[i, round(p, 6)] for i, p in f] for f in posteriors], acoustic]
    return result


def model():
    topology = HmmTopology()
    with open("/tmp/topology", "w") as file:
        file.write(TOPOLOGY)
    with xopen("/tmp/topology") as file:
        topology.read(file.stream(), False)
    tree = monophone_context_dependency(list(range(1, 8)), [0] + [3] * 7)
    return TransitionModel.from_topo(tree, topology)


def phone_ids(rng, tmodel, phone, reorder):
    """Transition-ids of a phone with a random length."""
    ids = []
    for hmm_state in range(3):
        pdf = tmodel_pdf(tmodel, phone, hmm_state)
        state = tmodel.tuple_to_transition_state(phone, hmm_state, pdf, pdf)
        loops = [tmodel.pair_to_transition_id(state, 0)] * rng.choice([0, 0, 1, 2])
        forward = [tmodel.pair_to_transition_id(state, 1)]
        ids += forward + loops if reorder else loops + forward
    return ids


def tmodel_pdf(tmodel, phone, hmm_state):
    for state in range(1, tmodel.num_transition_states() + 1):
        if (
            tmodel.transition_state_to_phone(state) == phone
            and tmodel.transition_state_to_hmm_state(state) == hmm_state
        ):
            return tmodel.transition_state_to_forward_pdf(state)


def of_model(rng, tmodel, reorder, cut):
    """Random sentences of one length as a lattice; `cut`: their ends are missing."""
    lattice = LatticeVectorFst()
    lattice.set_start(lattice.add_state())
    sentences = []
    while len(sentences) < 200:
        ids, words = [], []
        for _ in range(rng.randint(2, 4)):
            if rng.random() < 0.4:
                ids += phone_ids(rng, tmodel, 1, reorder)
            word = rng.choice(sorted(LEXICON))
            words.append((len(ids), word))
            for phone in LEXICON[word]:
                ids += phone_ids(rng, tmodel, phone, reorder)
        if rng.random() < 0.3:
            ids += phone_ids(rng, tmodel, 1, reorder)
        sentences.append((ids, words))
    length = 36
    of_length = [s for s in sentences if len(s[0]) == length] or sentences[:1]
    for ids, words in of_length[:6]:
        state = lattice.start()
        labels = {}
        for at, word in words:
            at = min(len(ids) - 1, at + rng.randint(0, 2))
            while at in labels:
                at += 1
            labels[at] = word
        kept = len(ids) - (4 if cut else 0)
        for i in range(kept):
            following = lattice.add_state()
            weight = LatticeWeight(round(rng.random(), 3), round(rng.random(), 3))
            lattice.add_arc(state, LatticeArc(ids[i], labels.get(i, 0), weight, following))
            state = following
        lattice.set_final(state, LatticeWeight(round(rng.random(), 3), 0.0))
    return lattice


def alignments(lattice, tmodel, reorder, entries):
    compact = determinized(lattice, 100.0)
    options = F.DeterminizeLatticePhonePrunedOptions()
    result = {"lattice": dumped(compact), "reorder": reorder}
    result["phone_pruned"] = dumped(
        F.determinize_lattice_phone_pruned(LatticeVectorFst(lattice), tmodel, 8.0, options)
    )
    options.minimize = True
    result["phone_minimized"] = dumped(
        F.determinize_lattice_phone_pruned(LatticeVectorFst(lattice), tmodel, 8.0, options)
    )
    for silence in (0, 9):
        opts = align.WordBoundaryInfoNewOpts()
        opts.reorder, opts.silence_label, opts.partial_word_label = reorder, silence, 2 * silence
        info = align.WordBoundaryInfo.from_file(opts, "/tmp/word_boundary.int")
        ok, made = align.word_align_lattice(compact, tmodel, info, 0)
        result[f"words{silence}"] = [ok, dumped(made)]
    for name in ("plain", "epsilons", "phones"):
        opts = align.PhoneAlignLatticeOptions()
        opts.reorder, opts.remove_epsilon = reorder, name != "epsilons"
        opts.replace_output_symbols = name == "phones"
        ok, made = align.phone_align_lattice(compact, tmodel, opts)
        result["phones_" + name] = [ok, dumped(made)]
    opts = align.WordAlignLatticeLexiconOpts()
    opts.reorder = reorder
    ok, made = align.word_align_lattice_lexicon(
        compact, tmodel, align.WordAlignLatticeLexiconInfo(entries), opts
    )
    result["lexicon"] = [ok, dumped(made)]
    result.update(of_phones(lattice, compact, made, tmodel))
    phones = LatticeVectorFst(lattice)
    F.convert_lattice_to_phones(tmodel, phones)
    result["to_phones"] = [[a.olabel for a in phones.arcs(s)] for s in range(phones.num_states())]
    return result


def raw_weights(lattice):
    return [
        [numbers([a.weight.value1, a.weight.value2]) for a in lattice.arcs(s)]
        for s in range(lattice.num_states())
    ]


def of_phones(lattice, compact, aligned, tmodel):
    """Training criteria, phones, and acoustic scores."""
    best = F.compact_lattice_shortest_path(aligned)
    raw = LatticeVectorFst(lattice)
    F.top_sort_lattice_if_needed(raw)
    linear = convert_compact_lattice_to_lattice(F.compact_lattice_shortest_path(compact))
    alignment = [a.ilabel for s in range(linear.num_states()) for a in linear.arcs(s) if a.ilabel]
    alignment = alignment[:3] + alignment[5:] + alignment[3:5]
    result = {"alignment": alignment}
    result["word_alignment"] = list(F.compact_lattice_to_word_alignment(best))
    result["word_prons"] = list(F.compact_lattice_to_word_prons(tmodel, best))
    result["frame_costs"] = numbers(F.get_per_frame_acoustic_costs(linear))
    result["active"] = [sorted(phones) for phones in F.lattice_active_phones(raw, tmodel, [1])]
    phones = CompactLatticeVectorFst(compact)
    F.convert_compact_lattice_to_phones(tmodel, phones)
    result["compact_to_phones"] = dumped(phones)
    result["mmi"] = {}
    for name in ("000", "010", "011", "111"):
        flags = [flag == "1" for flag in name]
        total, post = F.lattice_forward_backward_mmi(tmodel, raw, alignment, *flags)
        result["mmi"][name] = [total, [[[i, round(p, 6)] for i, p in frame] for frame in post]]
    result["mpe"] = {}
    for criterion in ("mpfe", "smbr"):
        for one in (False, True):
            value, post = F.lattice_forward_backward_mpe_variants(tmodel, [1], raw, alignment, criterion, one)
            result["mpe"][criterion + str(int(one))] = [
                value,
                [[[i, round(p, 6)] for i, p in frame] for frame in post],
            ]
    boosted = LatticeVectorFst(raw)
    F.lattice_boost(tmodel, alignment, [1], 0.3, 0.5, boosted)
    result["boosted"] = raw_weights(boosted)
    scores = np.arange(40 * 42, dtype=np.float32).reshape(40, 42) % 17
    matrix = Matrix(scores[: len(alignment)])  # the decodable object does not keep it
    decodable = DecodableMatrixScaled(matrix, 0.5)
    rescored = LatticeVectorFst(raw)
    F.rescore_lattice(decodable, rescored)
    result["rescored"] = raw_weights(rescored)
    rescored = CompactLatticeVectorFst(compact)
    F.top_sort_lattice_if_needed(rescored)
    F.rescore_lattice(decodable, rescored)
    result["rescored_compact"] = dumped(rescored)
    return result


def main(folder):
    rng = random.Random(6)
    shapes = [(24, 4, 8, 40, 0.35), (40, 4, 20, 40, 0.3), (12, 2, 3, 40, 0.8), (30, 3, 4, 5, 0.35)]
    results = {}
    with LatticeWriter("ark:" + os.path.join(folder, "random.ark")) as writer:
        for i in range(16):
            lattice = random_lattice(rng, *shapes[i % 4])
            key = f"random{i:02d}"
            writer[key] = lattice
            results[key] = of_random(lattice)
    with open("/tmp/word_boundary.int", "w") as file:
        file.writelines(f"{phone} {kind}\n" for phone, kind in enumerate(TYPES, 1))
    tmodel = model()
    with xopen(os.path.join(folder, "model.mdl"), "wb") as file:
        tmodel.write(file.stream(), True)
    entries = [[0, 0, 1]] + [[word, word, *phones] for word, phones in sorted(LEXICON.items())]
    with LatticeWriter("ark:" + os.path.join(folder, "model.ark")) as writer:
        for i in range(16):
            lattice = of_model(rng, tmodel, i % 2 == 0, i >= 12)
            key = f"model{i:02d}"
            writer[key] = lattice
            results[key] = alignments(lattice, tmodel, i % 2 == 0, entries)
    with gzip.GzipFile(os.path.join(folder, "kaldi.json.gz"), "wb", mtime=0) as file:
        file.write(json.dumps(results).encode())


if __name__ == "__main__":
    main(sys.argv[1])

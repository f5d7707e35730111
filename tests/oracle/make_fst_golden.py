"""Golden data of automata and lattices, made by Kaldi and OpenFst through PyKaldi 0.2.1 (Python 3.7).

    python tests/oracle/make_fst_golden.py KALDI_YESNO_ASSETS tests/kaldi/fstext/golden

KALDI_YESNO_ASSETS: the folder of the yesno run whose small files are in tests/data/kaldi-yesno. Lattices are
made by decoding its features with its model and graph.
"""

import base64
import contextlib
import json
import os
import random
import sys

import kaldi.fstext as F
from kaldi.asr import GmmLatticeFasterRecognizer
from kaldi.decoder import LatticeFasterDecoderOptions
from kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
from kaldi.fstext import properties, utils, weight
from kaldi.transform.cmvn import Cmvn
from kaldi.util import table
from kaldi.util.io import xopen

ALL = 0xFFFFFFFFFFFFFFFF
KINDS = ("Std", "Log", "Lattice", "CompactLattice", "KwsIndex")


def b64(data):
    return base64.b64encode(data).decode()


def cost(rng):
    return rng.choice([0.0, 0.0, 0.5, 1 / 3, 1234567.89, 1e-7, -2.25, 12.0, rng.uniform(0, 30)])


def made_weight(kind, rng):
    """A weight and its numbers, as sonant has them in Python."""
    if kind in ("Std", "Log"):
        value = cost(rng)
        return (F.TropicalWeight if kind == "Std" else F.LogWeight)(value), value
    if kind == "KwsIndex":
        a, b, c = cost(rng), cost(rng), cost(rng)
        T = F.TropicalWeight
        return F.KwsIndexWeight(T(a), F.KwsTimeWeight(T(b), T(c))), [a, b, c]
    a, b = cost(rng), cost(rng)
    if kind == "Lattice":
        return F.LatticeWeight(a, b), [a, b]
    string = [rng.randrange(0, 300) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    return F.CompactLatticeWeight(F.LatticeWeight(a, b), string), [a, b, string]


def random_steps(kind, rng, count):
    """Random changes of an automaton, with the properties that OpenFst knows after each."""
    fst = getattr(F, kind + "VectorFst")()
    arc_type = getattr(F, kind + "Arc")
    steps = []
    for _ in range(count):
        states = fst.num_states()
        name = rng.choice(
            ["add_state"] * 3
            + ["add_arc"] * 8
            + ["set_final"] * 3
            + ["set_start", "set_value", "delete_arcs"]
            + ["arcsort", "delete_states", "delete_last_arcs"] * (rng.random() < 0.3)
            + ["topsort"] * (rng.random() < 0.1)
        )
        step = [name]
        if name == "add_state" or states == 0:
            step = ["add_state"]
            fst.add_state()
        elif name == "add_arc":
            state, nextstate = rng.randrange(states), rng.randrange(states)
            if rng.random() < 0.6 and states > 1:
                state, nextstate = min(state, nextstate), max(state, nextstate)
            w, numbers = made_weight(kind, rng)
            ilabel = rng.randrange(0, 6)
            olabel = ilabel if rng.random() < 0.7 else rng.randrange(0, 6)
            fst.add_arc(state, arc_type(ilabel, olabel, w, nextstate))
            step += [state, ilabel, olabel, numbers, nextstate]
        elif name == "set_final":
            state = rng.randrange(states)
            w, numbers = made_weight(kind, rng)
            fst.set_final(state, w)
            step += [state, numbers]
        elif name == "set_start":
            state = rng.randrange(states)
            fst.set_start(state)
            step += [state]
        elif name == "set_value":
            full = [s for s in range(states) if fst.num_arcs(s)]
            if not full:
                continue
            state = rng.choice(full)
            position = rng.randrange(fst.num_arcs(state))
            w, numbers = made_weight(kind, rng)
            label, nextstate = rng.randrange(0, 6), rng.randrange(states)
            arcs = fst.mutable_arcs(state)
            arcs.seek(position)
            arcs.set_value(arc_type(label, label, w, nextstate))
            step += [state, position, label, label, numbers, nextstate]
        elif name == "delete_arcs":
            if rng.random() < 0.7:
                continue
            state = rng.randrange(states)
            fst.delete_arcs(state)
            step += [state]
        elif name == "delete_last_arcs":
            state = rng.randrange(states)
            n = rng.randrange(fst.num_arcs(state) + 1)
            if n == 0:
                continue  # PyKaldi takes 0 for all arcs
            fst.delete_arcs(state, n)
            step += [state, n]
        elif name == "delete_states":
            chosen = [s for s in range(states) if rng.random() < 0.2]
            if not chosen:
                continue  # PyKaldi takes an empty list for all states
            fst.delete_states(chosen)
            step += [chosen]
        elif name == "arcsort":
            if any(fst.num_arcs(s) > 16 for s in range(states)):
                continue  # OpenFst's sort is not stable there
            if fst.start() < 0:
                continue  # OpenFst sorts nothing there
            by = rng.choice(["ilabel", "olabel"])
            fst.arcsort(by)
            step += [by]
        elif name == "topsort":
            if fst.start() < 0:
                continue  # OpenFst ends the process there
            with contextlib.suppress(RuntimeError):  # it has a cycle
                fst.topsort()
        steps.append([step, fst._properties(ALL, False)])
    return fst, steps


def all_text(fst):
    return [fst.text(), fst.text(acceptor=True), str(fst)]


def automata(out):
    result = []
    for kind in KINDS:
        for seed in range(8):
            rng = random.Random(f"{kind}{seed}")
            fst, steps = random_steps(kind, rng, 50 if seed else 0)
            entry = dict(
                kind=kind, steps=steps, vector=b64(fst.to_bytes()), text=all_text(fst), sound=fst.verify()
            )
            result.append(entry)
            if fst.start() < 0:
                continue  # OpenFst reads beyond an array there
            entry["found"] = fst.copy()._properties(ALL, True)
            if kind != "CompactLattice":
                const = getattr(F, kind + "ConstFst")(fst)
                path = os.path.join(out, "aligned.tmp")
                options = F.FstWriteOptions()
                options.align = True
                entry["const"] = b64(const.to_bytes())
                if kind == "Std":  # the others cannot be written to a stream
                    with xopen(path, "wb", write_header=False) as o:
                        const.write_to_stream(o.stream(), options)
                    with open(path, "rb") as f:
                        entry["aligned"] = b64(f.read())
                    os.remove(path)
    return result


def archives(out, made):
    names = dict(Std="Fst", Log="LogFst", KwsIndex="KwsIndexFst")
    result = []
    for kind in KINDS:
        for text in (False, True):
            path = os.path.join(out, "archive.tmp")
            writer = getattr(table, names.get(kind, kind) + "Writer")()
            writer.open(("ark,t:" if text else "ark:") + path)
            keys = []
            for i, entry in enumerate(made):
                if entry["kind"] == kind and i % 3 == 0:
                    fst = getattr(F, kind + "VectorFst").from_bytes(base64.b64decode(entry["vector"]))
                    writer.write(f"key{i}", fst)
                    keys.append(i)
            writer.close()
            with open(path, "rb") as f:
                result.append(dict(kind=kind, text=text, entries=keys, data=b64(f.read())))
            os.remove(path)
    return result


def numbers(w):
    name = type(w).__name__
    if name == "LatticeWeight":
        return [w.value1, w.value2]
    if name == "CompactLatticeWeight":
        return [w.weight.value1, w.weight.value2, list(w.string)]
    if name == "KwsIndexWeight":
        return [w.value1.value, w.value2.value1.value, w.value2.value2.value]
    return w.value


def weights():
    rng = random.Random("weights")
    result = []
    words = dict(
        Std="tropical", Log="log", Lattice="lattice", CompactLattice="compact_lattice", KwsIndex="kws_index"
    )
    for kind in KINDS:
        for i in range(60):
            a, na = made_weight(kind, rng)
            b, nb = made_weight(kind, rng) if i % 3 else (a, na)
            if kind == "CompactLattice" and i % 2:
                nb = [na[0], na[1], nb[2]]
                b = F.CompactLatticeWeight(F.LatticeWeight(*nb[:2]), nb[2])
            entry = dict(kind=kind, a=na, b=nb)
            entry["plus"] = numbers(getattr(weight, f"plus_{words[kind]}_weight")(a, b))
            entry["times"] = numbers(getattr(weight, f"times_{words[kind]}_weight")(a, b))
            if "Lattice" in kind:
                entry["compare"] = getattr(weight, f"compare_{words[kind]}_weight")(a, b)
                entry["near"] = getattr(weight, f"approx_equal_{words[kind]}_weight")(a, b)
            if kind not in ("CompactLattice",):
                entry["divide"] = numbers(getattr(weight, f"divide_{words[kind]}_weight")(a, b))
            entry["quantize"] = numbers(a.quantize())
            entry["member"] = a.member()
            result.append(entry)
    return result


def symbols(out):
    syms = F.SymbolTable.from_name("a table")
    for word, key in (("<eps>", 0), ("yes", 1), ("n\u00e4h", 2), ("#0", 10), ("after", 11)):
        syms.add_pair(word, key)
    path = os.path.join(out, "symbols.tmp")
    syms.write_text(path)
    with open(path, "rb") as f:
        text = f.read()
    os.remove(path)
    compiler = F.StdFstCompiler(isymbols=syms, osymbols=syms, keep_isymbols=True, keep_osymbols=True)
    compiler.write("3 1 yes n\u00e4h 0.5\n1 3 <eps> #0\n1 2.5\n")
    fst = compiler.compile()
    return dict(
        binary=b64(F.serialize_symbol_table(syms)),
        text=b64(text),
        fst=b64(fst.to_bytes()),
        fst_text=str(fst),
        const=b64(F.StdConstFst(fst).to_bytes()),
    )


def features(assets):
    cmvn = None
    for _, stats in table.SequentialDoubleMatrixReader(
        f"ark:{assets}/data/train_yesno/data/cmvn_train_yesno.ark"
    ):
        cmvn = Cmvn()
        cmvn.stats = stats
    for key, mfcc in table.SequentialMatrixReader(
        f"ark:{assets}/data/train_yesno/data/raw_mfcc_train_yesno.1.ark"
    ):
        cmvn.apply(mfcc, False)
        yield key, compute_deltas(DeltaFeaturesOptions(), mfcc)


def same_files(folder, *names):
    contents = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            contents.append(f.read())
    return contents[0] == contents[1]


def lattices(assets, out):
    """Files of real lattices, plain and compact, binary and text, and what Kaldi makes of each other."""
    options = LatticeFasterDecoderOptions()
    options.beam, options.lattice_beam, options.max_active = 10.0, 1.5, 500
    options.determinize_lattice = False
    recognizer = GmmLatticeFasterRecognizer.from_files(
        assets + "/exp/mono/40.mdl",
        assets + "/exp/mono/graph/HCLG.fst",
        assets + "/exp/mono/graph/words.txt",
        decoder_opts=options,
    )
    plain = []
    for key, feats in features(assets):
        if len(plain) == 2:
            break
        plain.append((key, recognizer.decode(feats)["lattice"]))
    for form in ("", ",t"):
        ending = ".txt" if form else ".ark"
        plain_writer = table.LatticeWriter(f"ark{form}:{out}/lat{ending}")
        compact_writer = table.CompactLatticeWriter(f"ark{form}:{out}/clat{ending}")
        with plain_writer, compact_writer:
            for key, lattice in plain:
                plain_writer[key] = lattice
                compact_writer[key] = utils.convert_lattice_to_compact_lattice(lattice)
    with table.LatticeWriter(f"ark:{out}/lat_again.ark") as writer:
        for key, lattice in table.SequentialCompactLatticeReader(f"ark:{out}/clat.ark"):
            writer[key] = utils.convert_compact_lattice_to_lattice(lattice)
    # The readers of the other kind make the same of them.
    with table.CompactLatticeWriter(f"ark:{out}/other.tmp") as writer:
        for key, lattice in table.SequentialCompactLatticeReader(f"ark:{out}/lat.ark"):
            writer[key] = lattice
    assert same_files(out, "other.tmp", "clat.ark")
    with table.LatticeWriter(f"ark:{out}/other.tmp") as writer:
        for key, lattice in table.SequentialLatticeReader(f"ark:{out}/clat.ark"):
            writer[key] = lattice
    assert same_files(out, "other.tmp", "lat_again.ark")
    os.remove(os.path.join(out, "other.tmp"))
    with table.LatticeWriter(f"ark:{out}/scaled.ark") as writer:
        for key, lattice in table.SequentialLatticeReader(f"ark:{out}/lat.ark"):
            utils.scale_lattice(utils.lattice_scale(0.7, 0.1), lattice)
            writer[key] = lattice
            break


def main(assets, out):
    made = automata(out)
    data = dict(
        automata=made,
        archives=archives(out, made),
        weights=weights(),
        symbols=symbols(out),
        properties={n: getattr(properties, n) for n in dir(properties) if n.isupper()},
    )
    with open(os.path.join(out, "automata.json"), "w") as f:
        json.dump(data, f)
    lattices(assets, out)


if __name__ == "__main__":
    main(*sys.argv[1:])

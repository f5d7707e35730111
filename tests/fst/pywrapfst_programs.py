"""Programs for pywrapfst, each a function of the module that gives lines to print: what the real one printed
is in golden/pywrapfst.json (tests/oracle/make_pywrapfst_golden.py)."""

import pickle
import random
import tempfile
from pathlib import Path

INFINITY = "Infinity"


def paths(fst):
    """Sorted lines of the input, output and cost of each successful path of an automaton without cycles."""
    found = {}
    stack = [(fst.start(), (), (), 0.0)] if fst.num_states() else []
    while stack:
        state, given, made, cost = stack.pop()
        final = fst.final(state)
        if str(final) != INFINITY:
            key = (given, made)
            found[key] = min(found.get(key, float("inf")), cost + float(final))
        for arc in fst.arcs(state):
            stack.append(
                (
                    arc.nextstate,
                    given + ((arc.ilabel,) if arc.ilabel else ()),
                    made + ((arc.olabel,) if arc.olabel else ()),
                    cost + float(arc.weight),
                )
            )
    return [f"{key[0]} {key[1]} {round(cost, 3) + 0.0}" for key, cost in sorted(found.items())]


def compiled(p, text, **options):
    compiler = p.Compiler(**options)
    for line in text.split(";"):
        print(line.strip(), file=compiler)
    return compiler.compile()


def random_fst(p, rng, states, transducer=True):
    fst = p.VectorFst()
    fst.add_states(states)
    fst.set_start(0)
    for state in range(states - 1):
        for _ in range(rng.randint(1, 3)):
            ilabel = rng.randint(0, 3)
            olabel = rng.randint(0, 3) if transducer else ilabel
            fst.add_arc(state, p.Arc(ilabel, olabel, rng.randint(0, 8) / 4, rng.randrange(state + 1, states)))
    fst.set_final(states - 1, rng.randint(0, 4) / 4)
    return fst.connect()


def compiling(p):
    words = p.SymbolTable("words")
    for word in ("<eps>", "yes", "no", "maybe"):
        words.add_symbol(word)
    fst = compiled(
        p, "0 1 yes no 0.5; 1 2 no no; 0 2 maybe <eps> 1.25; 2 0.125", isymbols=words, osymbols=words,
        keep_isymbols=True, keep_osymbols=True,
    )  # fmt: skip
    yield str(fst)
    yield fst.print(show_weight_one=True)
    yield fst.copy().set_input_symbols(None).set_output_symbols(None).print()
    yield fst.input_symbols().find("maybe"), fst.input_symbols().find(2), fst.input_symbols().find("never")
    yield compiled(p, "0 1 1; 1 2 2; 2", acceptor=True).print(acceptor=True)
    yield compiled(p, "3 1 1 1; 1", keep_state_numbering=True).print()


def building(p):
    fst = p.VectorFst()
    yield fst.start(), fst.num_states(), fst.arc_type(), fst.weight_type(), fst.fst_type()
    first, last = fst.add_state(), fst.add_state()
    fst.set_start(first).set_final(last, 1.5).add_arc(first, p.Arc(1, 2, "0.5", last))
    fst.add_arc(first, p.Arc(0, 3, None, last)).add_arc(last, p.Arc(4, 0, p.Weight("tropical", 2), first))
    yield list(fst.states()), [(a.ilabel, a.olabel, str(a.weight), a.nextstate) for a in fst.arcs(first)]
    yield fst.num_arcs(first), fst.num_input_epsilons(first), fst.num_output_epsilons(last)
    arcs = fst.mutable_arcs(first)
    while not arcs.done():
        arc = arcs.value()
        arc.olabel += 10
        arcs.set_value(arc)
        arcs.next()
    arcs.reset()
    arcs.seek(1)
    yield arcs.position(), arcs.value().olabel, arcs.done()
    other = fst.copy()
    other.delete_arcs(first, 1).set_final(first)
    yield fst.print(), other.print(), str(fst.final(last)), repr(fst.final(first)).split(" at ")[0]
    yield other.delete_states([last]).print(), other.delete_states().num_states()
    yield p.equal(fst, fst.copy()), p.equal(fst, other), p.isomorphic(fst, fst.copy()), fst.verify()
    yield pickle.loads(pickle.dumps(fst)).print()


def structure(p):
    left = compiled(p, "0 1 1 2 0.5; 1 2 3 4; 0 2 5 6 1; 2 0.25")
    right = compiled(p, "0 1 2 7; 1 2 4 8 0.125; 0 2 6 9 2; 2")
    yield p.compose(left, right.copy().arcsort()).print()
    for operation in ("union", "concat"):
        yield getattr(left.copy(), operation)(right).print()
    yield left.copy().closure().print(), left.copy().closure("plus").print(), left.copy().invert().print()
    yield left.copy().project("input").print(), left.copy().project("output").print()
    yield p.reverse(left).print(), p.reverse(left, require_superinitial=False).print()
    yield left.copy().relabel_pairs(ipairs=[(1, 9)], opairs=[(6, 0)]).print()
    accepted = left.copy().project("input")
    yield p.intersect(accepted, accepted.copy().arcsort()).print()
    without = compiled(p, "0 1 5 5; 1")
    yield p.difference(accepted, without).print()
    yield p.arcmap(left, map_type="times", weight=2).print(), p.arcmap(left, map_type="rmweight").print()
    yield p.arcmap(left, map_type="input_epsilon").print(), p.arcmap(left, map_type="to_log").arc_type()
    yield p.arcmap(left, map_type="superfinal").print(), p.arcmap(left, map_type="power", power=2).print()
    yield p.statemap(compiled(p, "0 1 1 1 2; 0 1 1 1 3; 1"), "arc_sum").print()
    yield compiled(p, "0 1 1 1; 0 2 2 2; 1").connect().print()
    yield compiled(p, "0 2 1 1; 2 1 2 2; 1", keep_state_numbering=True).topsort().print()
    yield p.convert(left, "const").fst_type(), p.convert(left, "const").print()


def reduction(p):
    fst = compiled(p, "0 1 1 1 0.5; 0 2 1 1 0.25; 1 3 2 2 1; 2 3 2 2 3; 1 3 3 3; 2 3 3 3; 3")
    determined = p.determinize(fst)
    yield determined.num_states(), paths(determined), paths(p.determinize(fst, weight=0.5))
    yield determined.copy().minimize().num_states(), paths(determined.copy().minimize())
    yield p.disambiguate(fst).num_states(), paths(p.disambiguate(fst)), paths(p.disambiguate(fst, weight=0.5))
    yield (
        p.equivalent(determined, p.determinize(p.disambiguate(fst))),
        p.randequivalent(fst, determined, npath=20),
    )
    yield p.randequivalent(
        fst, p.arcmap(fst, map_type="times", weight=1), npath=20, select="log_prob", seed=1
    )
    mapper = p.EncodeMapper("standard", True, True)
    encoded = fst.copy().encode(mapper)
    yield encoded.print(), mapper(p.Arc(1, 1, 0.25, 5)).ilabel, encoded.decode(mapper).print()
    yield mapper.flags() == p.ENCODE_FLAGS, mapper.arc_type(), mapper.weight_type()
    epsilons = compiled(p, "0 1 0 0 1; 1 2 1 1 2; 0 2 1 1 4; 2 3 0 0 1; 3 1")
    yield paths(epsilons.copy().rmepsilon()), epsilons.copy().rmepsilon().print()
    yield [sorted(f.print().split()) for f in (p.prune(fst, weight=0.5), fst.copy().prune(weight=0.5))]


def encoders(p):
    symbols = p.SymbolTable()
    for word in ("<eps>", "yes"):
        symbols.add_symbol(word)
    for labels, weights in ((False, False), (True, False), (False, True), (True, True)):
        fst = compiled(p, "0 1 1 2 0.5; 0 2 0 0; 1 2 0 3; 0 1 1 2 0.75; 1; 2 1.5")
        mapper = p.EncodeMapper("standard", labels, weights)
        arc = mapper(p.Arc(0, 0, p.Weight("tropical", 2), -1))
        yield arc.ilabel, arc.olabel, str(arc.weight), mapper.write_to_string().hex()
        yield fst.encode(mapper).print(), mapper.write_to_string().hex()
        read = p.EncodeMapper.read_from_string(mapper.write_to_string())
        read.set_input_symbols(symbols)
        yield fst.decode(read).print(), read.write_to_string().hex()
        again = pickle.loads(pickle.dumps(read))
        yield again.flags() == read.flags(), again.arc_type(), again.output_symbols() is None
        yield list(again.input_symbols()), again.write_to_string() == read.write_to_string()
        yield [
            mapper.properties(bits).value for bits in (p.FstProperties(0), p.FstProperties.NULL_PROPERTIES)
        ]
        with tempfile.TemporaryDirectory() as folder:
            mapper.write(f"{folder}/e")
            yield p.EncodeMapper.read(f"{folder}/e").write_to_string() == mapper.write_to_string()
    logs = p.EncodeMapper("log", True, True)
    logs(p.Arc(1, 2, p.Weight("log", 0.5), 1))
    yield logs.write_to_string().hex(), p.EncodeMapper.read_from_string(logs.write_to_string()).weight_type()
    for wrong in (b"", logs.write_to_string()[:-1], b"x" * 50):
        try:
            p.EncodeMapper.read_from_string(wrong)
        except p.FstIOError:
            yield "FstIOError"


def distances(p):
    fst = compiled(p, "0 1 1 1 0.5; 0 2 2 2 0.25; 1 3 3 3 1; 2 3 4 4 3; 3 0.5; 1 2")
    yield [str(w) for w in p.shortestdistance(fst)], [str(w) for w in p.shortestdistance(fst, reverse=True)]
    yield [str(w) for w in p.shortestdistance(fst, nstate=1)]
    yield (
        paths(p.shortestpath(fst)),
        paths(p.shortestpath(fst, nshortest=2)),
        paths(p.shortestpath(fst, nshortest=9)),
    )
    yield paths(p.shortestpath(fst, nshortest=9, weight=1)), p.shortestpath(fst).num_states()
    yield p.push(fst, push_weights=True).print(), fst.copy().push(remove_total_weight=True).print()
    yield p.push(fst, push_weights=True, reweight_type="to_final").print()
    yield fst.copy().reweight([1, 2, 3, 4]).print()
    log = p.arcmap(fst, map_type="to_log")
    yield (
        [f"{float(w):.4f}" for w in p.shortestdistance(log)],
        str(p.plus(p.Weight("log", 1), p.Weight("log", 2))),
    )
    for kind in ("log", "log64"):
        machine = compiled(p, "0 1 1 1 0.5; 0 1 2 2 1.5; 1", arc_type=kind)
        yield machine.arc_type(), machine.weight_type(), machine.print()
        yield [f"{float(w):.4f}" for w in p.shortestdistance(machine, reverse=True)]
    for _ in range(3):
        drawn = paths(p.randgen(fst))
        yield (
            len(drawn),
            {line.rsplit(" ", 1)[0] for line in drawn} < {line.rsplit(" ", 1)[0] for line in paths(fst)},
        )


def networks(p):
    root = compiled(p, "0 1 1 100; 1 2 2 2; 2 3 3 100 0.5; 3")
    phrase = compiled(p, "0 1 5 6 1; 1 2 7 101; 0 2 8 8 2; 2 0.25")
    word = compiled(p, "0 1 9 9; 1 0.5")
    pairs = [(1000, root), (100, phrase), (101, word)]
    yield p.replace(pairs).print()
    for label in ("neither", "input", "output", "both"):
        yield p.replace(pairs, call_arc_labeling=label, return_arc_labeling=label, return_label=55).print()
    yield p.replace(pairs, epsilon_on_replace=True, return_label=55).print()


def labels(p):
    rng = random.Random(4)
    for number in range(30):
        fst = random_fst(p, rng, rng.randint(3, 6))
        for side in ("input", "output"):
            yield number, side, paths(p.epsnormalize(fst, side))
        yield number, paths(p.synchronize(fst)), p.synchronize(fst).num_states()
        for options in (
            {"push_labels": True},
            {"push_labels": True, "push_weights": True},
            {"push_labels": True, "remove_common_affix": True},
            {
                "push_labels": True,
                "push_weights": True,
                "remove_common_affix": True,
                "remove_total_weight": True,
            },
        ):
            for reweight_type in ("to_initial", "to_final"):
                pushed = p.push(fst, reweight_type=reweight_type, **options)
                yield number, reweight_type, pushed.num_states(), paths(pushed)
        yield number, paths(p.disambiguate(random_fst(p, rng, 5, transducer=False)))


def symbols(p):
    table = p.SymbolTable("letters")
    yield [table.add_symbol(symbol) for symbol in ("<eps>", "a", "b", "a")], table.add_symbol("z", 26)
    yield table.num_symbols(), table.available_key(), table.name(), list(table), table.get_nth_key(3)
    yield table.find("a"), table.find(26), table.find(99), table.member("b"), table.member(27)
    other = p.SymbolTable("others")
    other.add_symbol("q", 1)
    other.add_table(table)
    yield list(other), list(p.merge_symbol_table(table, other)), list(p.compact_symbol_table(table))
    fst = p.VectorFst().set_input_symbols(table)
    fst.mutable_input_symbols().add_symbol("new")
    yield fst.input_symbols().member("new"), table.member("new"), fst.output_symbols()
    yield fst.input_symbols().copy().labeled_checksum() == fst.input_symbols().labeled_checksum()
    with tempfile.TemporaryDirectory() as folder:
        text, binary = Path(folder) / "t.txt", Path(folder) / "t.bin"
        table.write_text(text)
        table.write(binary)
        yield text.read_text(), list(p.SymbolTable.read_text(text)), list(p.SymbolTable.read(binary))
        table.write_text(text, sep=",")
        yield text.read_text(), list(p.SymbolTable.read_text(text, sep=","))


def weights(p):
    one, two = p.Weight("tropical", 1), p.Weight("tropical", "2.5")
    for operation in (p.plus, p.times, p.divide):
        yield str(operation(one, two)), str(operation(p.Weight("log", 1), p.Weight("log", 2.5)))
    yield str(p.power(two, 3)), str(p.Weight.zero("tropical")), str(p.Weight.no_weight("log")), float(two)
    yield one == p.Weight("tropical", 1.0), one != two, one == p.Weight("log", 1), two.type(), two.member()
    yield str(p.Weight("tropical", 1 / 3)), str(p.Weight("log64", 1 / 3)), str(p.Weight("tropical", 1e10))
    for kind in ("tropical", "log"):
        yield [
            flag in p.Weight.one(kind).properties()
            for flag in (p.SEMIRING, p.COMMUTATIVE, p.IDEMPOTENT, p.PATH)
        ]


def files(p):
    fst = compiled(p, "0 1 1 2 0.5; 1 0.25")
    yield fst.write_to_string().hex(), p.Fst.read_from_string(fst.write_to_string()).print()
    with tempfile.TemporaryDirectory() as folder:
        path, archive = Path(folder) / "a.fst", Path(folder) / "a.far"
        p.convert(fst, "const").write(path)
        yield p.Fst.read(path).fst_type(), p.Fst.read(path).print()
        writer = p.FarWriter.create(archive)
        writer["a"] = fst
        writer.add("b", fst.copy().set_final(0))
        del writer
        yield len(archive.read_bytes())
        reader = p.FarReader.open(archive)
        yield (
            reader.arc_type(),
            reader.far_type(),
            reader.find("b"),
            reader.get_key(),
            reader.get_fst().print(),
        )
        reader.reset()
        yield [(key, machine.num_states()) for key, machine in reader], reader.done(), reader["a"].print()


def archive(p, path):
    """Written under this path, for others to read."""
    writer = p.FarWriter.create(path)
    for key in ("first", "second"):
        writer[key] = compiled(p, f"0 1 {len(key)} 2 0.5; 1 0.25")


def errors(p):
    fst = compiled(p, "0 1 1 2 0.5; 1")
    for wrong in (
        lambda: p.VectorFst("foo"),
        lambda: p.Weight("tropical", "x"),
        lambda: p.Weight("foo", 1),
        lambda: fst.final(9),
        lambda: fst.arcs(9),
        lambda: fst.mutable_arcs(9),
        lambda: fst.num_arcs(9),
        lambda: fst.add_arc(9, p.Arc(1, 1, None, 0)),
        lambda: fst.add_arc(0, p.Arc(1, 1, p.Weight("log", 1), 0)),
        lambda: fst.set_start(9),
        lambda: fst.set_final(9),
        lambda: fst.set_final(0, "x"),
        lambda: fst.delete_arcs(9),
        lambda: fst.relabel_pairs(),
        lambda: fst.project("x"),
        lambda: fst.arcsort("x"),
        lambda: p.compose(fst, p.VectorFst("log")),
        lambda: p.compose(fst, fst, compose_filter="x"),
        lambda: p.determinize(fst, det_type="x"),
        lambda: p.determinize(compiled(p, "0 1 1 1; 0 1 1 2; 1")),
        lambda: p.equivalent(compiled(p, "0 1 1 1; 0 1 1 1; 1"), fst),
        lambda: p.shortestpath(p.VectorFst("log")),
        lambda: p.shortestdistance(fst, queue_type="x"),
        lambda: p.arcmap(fst, map_type="x"),
        lambda: p.push(fst, reweight_type="x"),
        lambda: p.randgen(fst, select="x"),
        lambda: p.epsnormalize(fst, "x"),
        lambda: p.replace([(1, fst)], call_arc_labeling="x"),
        lambda: p.replace([(1, compiled(p, "0 1 1 1; 1"))]),
        lambda: p.Fst.read("/nowhere/x.fst"),
        lambda: p.Fst.read_from_string(b"abc"),
        lambda: p.SymbolTable.read("/nowhere/x.syms"),
        lambda: fst.write("/nowhere/x.fst"),
        lambda: p.convert(fst, "x"),
        lambda: p.plus(p.Weight("tropical", 1), p.Weight("log", 1)),
        lambda: p.FarReader.open("/nowhere/x.far"),
        lambda: fst.add_arc(0, (1, 1, 0, 0)),
    ):
        try:
            wrong()
        except Exception as error:
            yield type(error).__name__
        else:
            yield "no error"


PROGRAMS = (
    compiling, building, structure, reduction, encoders, distances, networks, labels, symbols, weights, files,
    errors,
)  # fmt: skip


def lines(program, p):
    return [repr(line) for line in program(p)]

# ruff: noqa: E501
"""Golden values of tests/fsa: expressions of k2 code and what k2 1.23.2 gives for them.

    PYTHON tests/oracle/make_fsa_golden.py tests/fsa/golden      (a Python 3.8 that has k2 1.23.2)

Each file holds lines of JSON, [statements, expression, result]; tests/fsa/test_golden.py runs the same under
`import sonant.fsa as k2` and compares. Statements make what the expression uses; both are plain k2 code.
"""

import json
import random
import sys
from pathlib import Path

import k2
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "fsa"))
from plain import plain


def write(folder, name, cases):
    with open(Path(folder, f"{name}.jsonl"), "w") as file:
        for statements, expressions in cases:
            for expression in expressions:
                names = {"k2": k2, "torch": torch, "inf": float("inf")}
                exec(statements, names)
                result = plain(eval(expression, names))
                file.write(json.dumps([statements, expression, result]) + "\n")


def int32(values):
    return f"torch.tensor({values}, dtype=torch.int32)"


def random_lists(generator, axes, values, rows=6):
    if axes == 1:
        return [generator.choice(values) for _ in range(generator.randint(0, 4))]
    return [random_lists(generator, axes - 1, values, 3) for _ in range(generator.randint(1, rows))]


def ragged_cases():
    a = "a = k2.RaggedTensor([[1, 2], [], [3, 3, 5]])"
    b = "b = k2.RaggedTensor([[[1, 2], []], [[3]], []], dtype=torch.float32)"
    f = "f = k2.RaggedTensor([[1., 2], [], [3, 3, 5]])"
    yield (
        a,
        [
            "a",
            "a[0]",
            "a[1:]",
            "a[0:2]",
            f"a[{int32([2, 0])}]",
            f"a.index({int32([2, 0])}, axis=0, need_value_indexes=True)",
            "a.index(k2.RaggedTensor([[0, 2], []]))",
            "a.index(k2.RaggedTensor([[[0, 2], []]]))",
            "a.arange(0, 1, 3)",
            "a.argmax()",
            "a.argmax(initial_value=2)",
            "a.max()",
            "a.min()",
            "a.min(initial_value=2)",
            "a.sum()",
            "a.sum(initial_value=2)",
            "a.numel()",
            "a.pad('constant', -1)",
            "a.pad('replicate', -1)",
            "a.remove_values_eq(3)",
            "a.remove_values_leq(2)",
            "a.shape",
            "a.shape.max_size(1)",
            "a.tolist()",
            "a.tot_size(0), a.tot_size(1)",
            "a == a.clone()",
            "a.dim0, a.num_axes, a.values",
            "a.to_str_simple()",
            "a.shape.compose(k2.RaggedTensor([[1], [], [2], [], [5, 6]]).shape)",
            "k2.ragged.cat([a, a], 0)",
            "k2.ragged.cat([a, a], 1)",
            "a.sort_(True, True), a",
        ],
    )
    yield (
        b,
        [
            "b",
            "b[0]",
            "b[1:2]",
            f"b.index({int32([2, 0, -1])}, axis=0, need_value_indexes=True)",
            f"b.index({int32([0, 2])}, axis=1, need_value_indexes=True)",
            f"b.index({int32([0, 0, 2])}, axis=2, need_value_indexes=True)",
            "b.index(k2.RaggedTensor([[0, 2], []]))",
            "b.arange(1, 1, 3)",
            "b.arange(0, 1, 3)",
            "b.arange(0, 0, 0)",
            "b.max()",
            "b.sum()",
            "b.argmax()",
            "b.normalize(True)",
            "b.normalize(False)",
            "b.remove_axis(0)",
            "b.remove_axis(1)",
            "b.shape",
            "b.shape.get_layer(0)",
            "b.shape.get_layer(1)",
            "b.shape.row_splits(1)",
            "b.shape.row_ids(1)",
            "b.shape.row_splits(2)",
            "b.shape.row_ids(2)",
            "b.shape.tot_sizes()",
            "b.shape[0]",
            "b.shape.max_size(2)",
            f"b.shape.index(0, {int32([2, 0])})",
            f"b.shape.index(1, {int32([0, 2])})",
            "b.shape.remove_axis(0)",
            "b.shape.remove_axis(1)",
            "b.shape.remove_axis(2)",
            "k2.ragged.cat([b, b], 1)",
            "b.tolist()",
        ],
    )
    yield (
        f,
        [
            "f.argmax()",
            "f.argmax(initial_value=4)",
            "f.max()",
            "f.max(initial_value=2)",
            "f.min()",
            "f.sum(initial_value=2)",
            "f.normalize(True)",
            "f.normalize(False)",
            "f.pad(mode='constant', padding_value=0.5)",
            "f.remove_values_eq(3)",
        ],
    )
    yield (
        "",
        [
            "k2.RaggedTensor([[]])",
            "k2.RaggedTensor([])",
            "k2.RaggedTensor([[], []])",
            "k2.RaggedTensor([[[]]])",
            "k2.RaggedTensor([[1], [2.5]])",
            "k2.RaggedTensor('[ [1 2.5] [] ]')",
            "k2.RaggedTensor('[ [1, 2] [3] ]')",
            "k2.RaggedTensor('[]')",
            "k2.RaggedTensor(torch.zeros(2, 2, 2))",
            "k2.RaggedShape('[[x x] [x] []]')",
            "k2.RaggedTensor([[1e10, 0.1, 1/3, 100000, 1234567.]])",
            "k2.RaggedTensor([[[[1], []], []]])",
            "k2.RaggedTensor([[-1.5, inf, -inf]])",
            "k2.RaggedTensor([[3., 3], [], [-inf, -inf], [0, 0]]).argmax()",
            "k2.ragged.regular_ragged_shape(2, 3)",
            f"k2.ragged.create_ragged_shape2({int32([0, 2, 2])})",
            f"k2.ragged.create_ragged_shape2(row_ids={int32([0, 0, 2])})",
            f"k2.ragged.index({int32([10, 20, 30])}, k2.RaggedTensor([[0, 2], [], [1, -1]]), 5)",
            "k2.ragged.index(torch.tensor([10., 20, 30]), k2.RaggedTensor([[0, 2], [], [1, -1]]))",
            "k2.ragged.index_and_sum(torch.tensor([10., 20, 30]), k2.RaggedTensor([[0, 2], [], [1, -1]]))",
            "k2.RaggedTensor([[1, 2], [3], [1, 2]]).shape.row_ids(1)",
        ],
    )
    weights = "w = torch.arange(1, 100, dtype=torch.float32) / 7"
    for seed in range(8):
        generator = random.Random(seed)
        lists = random_lists(generator, 2 + seed % 3, [-2.5, -1, 0.25, 0.5, 3])
        values = f"r = k2.RaggedTensor({lists}, dtype=torch.float32); v = r.values; r.requires_grad_(True); {weights}"
        whole = f"r = k2.RaggedTensor({random_lists(generator, 2 + seed % 3, [1, 2, 3])}, dtype=torch.int32)"
        yield (
            values,
            [
                "r.sum(), r.max(), r.min(), r.argmax(), r.normalize(True), r.normalize(False)",
                "(r.sum() * w[:r.sum().numel()]).sum().backward(), r.grad",
                "(r.normalize(True).values * w[:r.numel()]).sum().backward(), r.grad",
            ],
        )
        yield (
            whole,
            [
                "r, r.shape.tot_sizes(), r.sum(), r.remove_values_eq(2), r.remove_values_leq(1)",
                "r.sort_(False, True), r",
                "k2.ragged.cat([r, r], 0), k2.ragged.cat([r, r], 1), r.arange(0, 1, r.dim0)",
            ],
        )
    source = (
        "s = torch.tensor([1., 2, 3, 4], requires_grad=True); i = k2.RaggedTensor([[0, 2], [], [3, -1, 0]])"
    )
    yield source, ["(k2.ragged.index_and_sum(s, i) * torch.tensor([2., 3, 5])).sum().backward(), s.grad"]


A = '"0 1 2 0.5\\n0 1 3 0.25\\n1 2 -1 0.1\\n2"'
T = '"0 1 2 5 0.5\\n0 1 3 6 0.25\\n1 2 -1 -1 0.1\\n2"'
R = '"0 1 2 5 [1 2] 0.5\\n0 1 3 6 [] 0.25\\n1 2 -1 -1 [] 0.1\\n2"'
OPENFST = [
    "0 1 2 0.5\n0 1 3 0.25\n1 0.3",
    "1 0 1 0.5\n0 2.5",
    "3 5 1 0.25\n5 0.5",
    "0 1 1 0.25\n1 2 3 0.5\n0 3 5 1\n2 0.5\n3 1.5\n1 0.25",
    "",
]
K2 = [
    "0 1 1 0.5\n1 3 -1 0.5\n3",
    "0 1 1 0.0025\n1 3 -1 123456.789\n3",
    "0 0 1 0\n0 1 1 0\n0 1 2 0\n1 2 -1 0\n2",
    "0 1 2 0\n0 1 1 0\n0 2 0 0\n1 3 -1 0\n3",
    "0 0 1 0\n0 2 1 0\n1 1 1 0\n2 3 -1 0\n3",
    "0 1 1 0\n0 2 2 0\n1 1 1 0\n2 3 -1 0\n3",
    "0 1 1 0.5\n2",
    "0",
    "3",
    "",
    "0 3 1 0\n0 0 2 1\n1 4 -1 0\n2 1 3 0\n3 1 1 0\n4",
]


def fsa_cases():
    f = "F = k2.Fsa"
    yield f, [f"F.from_str({text!r})" for text in K2] + [f"F.from_openfst({text!r})" for text in OPENFST]
    yield f, [f"F.from_str({text!r}).shape" for text in K2]
    yield (
        f,
        [
            f"F.from_str({T}, acceptor=False)",
            f"F.from_str({R}, num_aux_labels=1, ragged_label_names=['foo'])",
            f"k2.to_str(F.from_str({R}, num_aux_labels=1, ragged_label_names=['foo']))",
            f"k2.to_str(F.from_str({R}, num_aux_labels=1, ragged_label_names=['foo']), openfst=True)",
            f"k2.to_str_simple(F.from_str({R}, num_aux_labels=1, ragged_label_names=['foo']))",
            "F.from_openfst('0 1 2 5 0.5\\n0 2 3 6\\n1 0.3\\n2', acceptor=False)",
            "F.from_openfst('0 1 1 [5 6] 0.5\\n1 0.25', ragged_label_names=['x'])",
            "F.from_openfst('0 1 1 5 0.5\\n1 0.25', aux_label_names=['x'])",
            f"F.from_str({A}).arcs, F.from_str({A}).arcs.values()[:, :3], F.from_str({A}).scores, F.from_str({A}).labels",
            f"F.from_str({T}, acceptor=False).invert()",
            f"k2.create_fsa_vec([F.from_str('0 1 -1 0\\n1'), F.from_str({A})])",
            f"k2.create_fsa_vec([F.from_str(''), F.from_str({A})])",
            f"k2.create_fsa_vec([F.from_str(''), F.from_str({A})]).arcs",
            f"k2.create_fsa_vec([F.from_str('0 1 -1 0\\n1'), F.from_str({A})]).as_dict()['arcs']",
            f"k2.create_fsa_vec([F.from_str({T}, acceptor=False)] * 2)[1]",
            f"k2.to_tensor(F.from_str({A}))",
            f"F.from_dict(k2.create_fsa_vec([F.from_str({T}, acceptor=False)] * 2).as_dict())",
            "k2.fsa_properties.to_str(5)",
        ],
    )
    yield (
        f,
        [
            "k2.ctc_topo(2)",
            "k2.ctc_topo(2, modified=True)",
            "k2.ctc_topo(0)",
            "k2.ctc_topo(3, True)",
            "k2.trivial_graph(2)",
            "k2.linear_fsa([1, 2])",
            "k2.linear_fsa([])",
            "k2.linear_fsa([[1, 2], [], [0, 3]])",
            "k2.linear_fst([1, 2], [3, 4])",
            "k2.linear_fst([[1, 2], [3]], [[3, 4], [5]])",
            "k2.ctc_graph([[1, 2, 2], [3], []])",
            "k2.linear_fsa([[]])",
            "k2.ctc_graph([[1, 2, 2], [3], []], True)",
            "k2.levenshtein_graph([[1, 2], []])",
            "k2.ctc_graph([[1, 0]])",
            "k2.levenshtein_graph([[1, 2, 1]], ins_del_score=-0.7)",
            "k2.linear_fsa(k2.RaggedTensor([[1, 2]]))",
            f"k2.index_fsa(k2.linear_fst([[1, 2], [3]], [[3, 4], [5]]), {int32([1, 0, 1])})",
            "k2.cat([k2.linear_fst([[1, 2], [3]], [[3, 4], [5]]), k2.linear_fst([[1], [3, 4]], [[3], [5, 6]])])",
            f"k2.index_select(torch.tensor([1., 2, 3]), {int32([0, -1, 2])}, 5)",
            f"k2.index_select(torch.tensor([[1., 2, 3], [4, 5, 6]]), {int32([0, -1, 1])}, 5)",
            f"k2.compose_arc_maps({int32([3, 4, 5])}, {int32([2, -1, 0])})",
            f"k2.simple_ragged_index_select({int32([0, 1, 0, 2])}, k2.RaggedTensor([[0, 2], [1, 2], [2, 3], []]))",
        ],
    )
    dense = "p = torch.arange(8.).reshape(1, 4, 2); d = k2.DenseFsaVec(p, torch.tensor([[0, 0, 3], [0, 1, 2]], dtype=torch.int32))"
    yield dense, ["d", "d.duration, d.dim0(), d.scores", "k2.convert_dense_to_fsa_vec(d)"]
    yield (
        "",
        [
            "k2.DenseFsaVec(torch.zeros(2, 2, 2), torch.tensor([[1, 0, 3]], dtype=torch.int32), allow_truncate=1)"
        ],
    )
    attributes = (
        f"f = k2.Fsa.from_str({T}, acceptor=False); f.foo = torch.tensor([1., 2, 3]); f.bar = k2.RaggedTensor([[1], [], [2, 3]])"
        "; f.aux_labels_sym = 'x'; f.foo_filler = 3"
    )
    yield (
        attributes,
        [
            "f",
            "f.clone()",
            "f.detach()",
            "f.get_filler('foo'), f.get_filler('aux_labels')",
            "sorted(str(k2.create_fsa_vec([f, f])).split('\\n'))",
            "f.rename_tensor_attribute_('aux_labels', 'other')",
            "f.rename_tensor_attribute_('labels', 'mine')",
            "f.invert_()",
            "f.convert_attr_to_ragged_('aux_labels')",
            "f.num_arcs, f.shape, f.properties, f.properties_str",
            "[name for name, _ in f.named_tensor_attr()]",
            "f.set_scores_stochastic_(torch.tensor([1., 2, 3])), f.scores",
            "k2.create_fsa_vec([f, f])[1].requires_grad_(True).scores",
        ],
    )


def random_lines(generator, states, arcs, top_sorted=True, epsilon=0.2):
    """Lines of an automaton, of which some states may lead nowhere."""
    lines = []
    for src in range(states - 1):
        for _ in range(generator.randint(0, arcs)):
            dest = generator.randint(src + 1 if top_sorted else 0, states - 1)
            label = (
                -1 if dest == states - 1 else 0 if generator.random() < epsilon else generator.randint(1, 4)
            )
            lines.append(f"{src} {dest} {label} {round(generator.uniform(-2, 2), 3)}")
    return "\n".join([*lines, str(states - 1)])


def score_cases():
    tie = "0 1 1 0.5\n0 1 2 0.5\n0 2 3 0.5\n1 2 2 0\n1 3 -1 0.25\n2 3 -1 0.25\n3"
    for seed in range(5):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(2, 6), 4) for _ in range(generator.randint(1, 4))]
        texts += ["", tie] if seed % 3 == 0 else []
        yield (
            f"f = k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {texts}]).requires_grad_(True); "
            "w = torch.arange(1, 100, dtype=torch.float64) % 7 - 3",
            [
                f"[x := f.{name}({double}, {log}), (x.double()[x > -1e9] * w[: x.numel()][x > -1e9]).sum().backward(), f.grad]"
                for name in ("get_tot_scores", "get_forward_scores", "get_backward_scores", "get_arc_post")
                for double in (True, False)
                for log in (True, False)
            ],
        )


def operation_cases():
    g = "F = k2.Fsa; v = lambda *texts: k2.create_fsa_vec([F.from_str(t) for t in texts])"
    a = "0 1 1 .1\n0 2 2 .2\n1 3 -1 0.5\n2 3 -1 .4\n3"
    sort = "0 1 3 .5\n0 2 2 .5\n0 1 2 .7\n0 1 2 .6\n0 3 -1 0\n1 3 -1 0\n2 1 4 0\n3"
    yield (
        g,
        [
            f"k2.connect(F.from_str({K2[-1]!r}))",
            f"k2.connect(v({K2[6]!r}, {K2[3]!r}, {K2[0]!r}))",
            f"k2.arc_sort(F.from_str({sort!r}))",
            f"k2.arc_sort(v({sort!r}, {sort!r}))",
            f"k2.arc_sort(F.from_str({sort!r}), ret_arc_map=True)[1]",
            "k2.top_sort(F.from_str('0 0 1 .5\\n0 2 2 .5\\n1 3 -1 0\\n2 1 4 0\\n3'))",
            "k2.union(v('0 1 1 0\\n1 2 -1 0.5\\n2', '0 1 2 0.2\\n1 1 3 0.1\\n1 2 -1 0.3\\n2'))",
            f"k2.closure(F.from_str({a!r}))",
            f"k2.reverse(F.from_str({a!r}))",
            f"k2.add_epsilon_self_loops(F.from_str({a!r}))",
            f"k2.reverse(v({a!r}, {a!r}))",
            f"k2.add_epsilon_self_loops(v({a!r}, {a!r}), ret_arc_map=True)[1]",
            "k2.remove_epsilon_self_loops(F.from_str('0 0 0 1\\n0 1 1 .1\\n0 2 2 .2\\n1 1 0 2\\n1 3 -1 0.5\\n2 3 -1 .4\\n3'))",
            "k2.linear_fsa_with_self_loops(k2.linear_fsa([1, 2]))",
            "k2.linear_fsa_with_self_loops(k2.linear_fsa([[1, 0, 2], [3]]))",
            "k2.linear_fst_with_self_loops(k2.linear_fst([1, 2], [3, 4]))",
            "k2.linear_fst_with_self_loops(k2.linear_fst([[1, 0, 2], [3]], [[3, 4, 0], [5]]))",
            "k2.compose(k2.linear_fst([1, 2], [3, 4]), k2.linear_fst([3, 4], [7, 8]))",
            "k2.compose(k2.linear_fst([1, 2], [3, 4]), k2.linear_fsa([3, 4]))",
            "k2.compose(k2.linear_fst([1, 2], [3, 4]), k2.linear_fst([3, 4], [7, 8]), inner_labels='inner')",
        ],
    )
    ragged = f"f = k2.Fsa.from_str({a!r}); f.aux_labels = k2.RaggedTensor([[1, 2], [], [3, -1], [5, 6, -1]])"
    yield (
        ragged,
        [
            "k2.expand_ragged_attributes(f)",
            "k2.invert(f)",
            "k2.expand_ragged_attributes(f, ret_arc_map=True)[1]",
        ],
    )
    yield (
        ragged + "; f = k2.create_fsa_vec([f, f])",
        ["k2.expand_ragged_attributes(f)", "k2.connect(f)", "f[1]"],
    )
    filled = f"f = k2.Fsa.from_str({a!r}); f.x = torch.tensor([5, 6, 7, 8], dtype=torch.int32); f.x_filler = -2; f.y = torch.tensor([1., 2, 3, 4])"
    yield filled, ["k2.add_epsilon_self_loops(f)", "k2.reverse(f)"]
    for seed in range(3):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(2, 6), 3) for _ in range(3)]
        loops = [random_lines(generator, generator.randint(2, 5), 3, top_sorted=False) for _ in range(3)]
        plain_texts = [random_lines(generator, generator.randint(2, 5), 3, epsilon=0) for _ in range(3)]
        make = (
            f"f, e, p = [k2.create_fsa_vec([k2.Fsa.from_str(t) for t in ts]) for ts in ({texts}, {loops}, {plain_texts})]\n"
            "for x in (f, e, p): x.requires_grad_(True)\n"
            "w = torch.arange(1, 200, dtype=torch.float32) % 7 - 3\n"
            "f.n = torch.arange(1, f.num_arcs + 1, dtype=torch.int32)\n"
            "def g(r, *xs):\n"
            "    (r.scores * w[: r.num_arcs]).sum().backward()\n"
            "    return [r, *[x.grad for x in xs]]\n"
        )
        yield (
            make,
            [
                "g(k2.connect(f), f)",
                "g(k2.connect(e), e)",
                "g(k2.arc_sort(f), f)",
                "g(k2.top_sort(f), f)",
                "g(k2.shortest_path(f, True), f)",
                "g(k2.add_epsilon_self_loops(e), e)",
                "g(k2.intersect(k2.arc_sort(f), k2.arc_sort(p)), f, p)",
                "g(k2.intersect(k2.arc_sort(e), k2.arc_sort(p), treat_epsilons_specially=False), e, p)",
                f"g(k2.intersect_device(f, p, {int32([0, 2, 1])}), f, p)",
                "g(k2.reverse(f), f)",
                "g(k2.connect(k2.reverse(e)), e)",
            ],
        )


def determinize_cases():
    text = "0 1 2 .1\\n0 2 2 .2\\n1 2 3 1\\n1 3 -1 0.5\\n2 3 -1 .4\\n3"
    yield "", [f"k2.determinize(k2.Fsa.from_str('{text}'))"]
    yield (
        "r = k2.levenshtein_graph([[1, 2, 3], [2, 2]]); h = k2.levenshtein_graph([[1, 3, 3], [2], [4, 2, 2, 5]])",
        [
            f"k2.levenshtein_alignment(r, h, {int32([0, 1, 1])})",
        ],
    )
    for seed in range(5):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(2, 6), 3, epsilon=0) for _ in range(3)]
        epsilons = [random_lines(generator, generator.randint(2, 6), 3, epsilon=0.5) for _ in range(3)]
        yield (
            f"f = k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {texts}])",
            [
                "[sorted(k2.determinize(k2.connect(f[i])).scores.tolist()) for i in range(3)]",
                "[k2.arc_sort(k2.determinize(k2.connect(f[i]))).arcs.values()[:, :3] for i in range(3)]",
            ],
        )
        pushed = "k2.determinize(k2.connect(f[i]), k2.DeterminizeWeightPushingType.k{}WeightPushing)"
        yield (
            f"f = k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {texts}])",
            [
                f"[k2.arc_sort({pushed.format(kind)}).arcs.values()[:, :3] for i in range(3)]"
                for kind in ("Tropical", "Log")
            ]
            + [
                f"[k2.arc_sort({pushed.format(kind)}).scores for i in range(3)]"
                for kind in ("Tropical", "Log")
            ],
        )
        yield (
            f"f = k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {epsilons}]).requires_grad_(True)",
            [
                "[t := k2.remove_epsilon(f).get_tot_scores(True, False), t[t > -1e9].sum().backward(), f.grad]",
            ],
        )


def dense_cases():
    for seed in range(5):
        generator = random.Random(seed)
        texts = [random_lines(generator, generator.randint(2, 6), 5, top_sorted=False) for _ in range(3)]
        make = (
            f"f = k2.create_fsa_vec([k2.Fsa.from_str(t) for t in {texts}]).requires_grad_(True)\n"
            f"torch.manual_seed({seed}); p = (torch.arange(3 * 6 * 5) * 7919 % 101 / 20.0).reshape(3, 6, 5).requires_grad_(True)\n"
            "d = k2.DenseFsaVec(p, torch.tensor([[2, 0, 6], [0, 1, 4], [1, 2, 1]], dtype=torch.int32))\n"
            "def g(r, *xs):\n"
            "    t = r.get_tot_scores(True, True); t[t > -1e9].sum().backward()\n"
            "    return [r, t, *[x.grad for x in xs]]\n"
        )
        yield (
            make,
            [
                "g(k2.intersect_dense(f, d, 1e5), f, p)",
                "g(k2.intersect_dense(f, d, 2.5, frame_idx_name='t', seqframe_idx_name='r'), f, p)",
                f"g(k2.intersect_dense(f, d, 5.0, a_to_b_map={int32([0, 0, 1])}), f, p)",
            ],
        )
    ctc = (
        "p = (torch.arange(2 * 7 * 4) * 7919 % 101 / 20.0).reshape(2, 7, 4).log_softmax(-1).requires_grad_(True)\n"
        "d = k2.DenseFsaVec(p, torch.tensor([[0, 0, 7], [1, 0, 5]], dtype=torch.int32))\n"
        "g = k2.ctc_graph([[1, 2, 2], [3]])\n"
    )
    yield (
        ctc,
        [
            "k2.intersect_dense(g, d, 4.0)",
            "k2.intersect_dense(g, d, 1e5).get_tot_scores(False, True).sum().backward(), p.grad",
            "k2.shortest_path(k2.intersect_dense(g, d, 4.0), True)",
            "k2.intersect_dense_pruned(k2.ctc_topo(3), d, 50.0, 1e5, 0, 1000).scores.sum()",
            "k2.intersect_dense_pruned(g, d, 50.0, 1e5, 0, 1000, frame_idx_name='t')",
            "k2.intersect_dense_pruned(k2.ctc_topo(3), d, 50.0, 1e5, 0, 1000).get_tot_scores(True, True).sum().backward(), p.grad",
            f"k2.intersect_dense(k2.ctc_topo(3), d, 4.0, a_to_b_map={int32([1])})",
        ],
    )


if __name__ == "__main__":
    write(sys.argv[1], "ragged", ragged_cases())
    write(sys.argv[1], "fsa", fsa_cases())
    write(sys.argv[1], "fsa_scores", score_cases())
    write(sys.argv[1], "operations", operation_cases())
    write(sys.argv[1], "determinize", determinize_cases())
    write(sys.argv[1], "intersect_dense", dense_cases())

"""Fsa (k2's): one weighted automaton, or a batch, whose scores are a torch tensor with gradients."""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonant.errors import FstError, FstIndexError
from sonant.fsa import fsa_properties, fsa_text
from sonant.fsa.arcs import RaggedArc
from sonant.fsa.ragged_shape import regular_ragged_shape
from sonant.fsa.ragged_tensor import RaggedTensor
from sonant.ops import fsa_scores

if TYPE_CHECKING:
    from sonant.fst import Fst

_HIDDEN = ("_arcs", "_tensor_attr", "_non_tensor_attr", "_properties")


def _version(arcs: RaggedArc) -> int | None:
    """Counts the changes in place of the arcs, by which properties that were found before are known to be
    stale.
    """
    values = arcs.values()
    return None if values.is_inference() else values._version


def _dtype(use_double_scores: bool) -> torch.dtype:
    return torch.float64 if use_double_scores else torch.float32


class Fsa:
    """One automaton, of shape (num_states, None), or a batch of any number, of shape (num_fsas, None, None).

    arcs         RaggedArc, of which values() is int32 (num_arcs, 4): source, destination, label, score bits
    scores       (num_arcs,): larger is better, as log-probabilities (the costs of an Fst are minus these);
                 float32, or float64 where they were set so
    labels       int32 (num_arcs,): 0 is epsilon, -1 is for arcs to the final state, the last one
    aux_labels   int32 (num_arcs,), or a RaggedTensor with a row for each arc: output labels, if there are any

    Any other attribute may be set. A tensor with num_arcs in front, or a ragged one with as many rows,
    belongs to the arcs: operations carry it with them, and where an arc of the result comes from no arc it
    gets `fsa.NAME_filler` (0 if that is not set). Everything else is handed on as it is.

    Made of a tensor (num_arcs, 4), of the 1-D form of a batch (`to_tensor`), or of a RaggedArc. Raises
    FstError for arcs that make no automaton.
    """

    scores: Tensor

    def __init__(
        self,
        arcs: Tensor | RaggedArc,
        aux_labels: Tensor | RaggedTensor | None = None,
        properties: int | None = None,
    ):
        if isinstance(arcs, Tensor):
            arcs = RaggedArc.from_tensor(arcs)
        self._start(arcs, arcs.scores())
        if properties is not None:
            self.__dict__["_properties"] = (properties, _version(arcs))
        if aux_labels is not None:
            self.aux_labels = aux_labels.to(torch.int32)
        _ = self.properties

    def _start(self, arcs: RaggedArc, scores: Tensor) -> None:
        self.__dict__.update(_arcs=arcs, _tensor_attr={}, _non_tensor_attr={}, _properties=None)
        self._tensor_attr["scores"] = scores

    @classmethod
    def made(cls, arcs: RaggedArc, scores: Tensor) -> "Fsa":
        """What an operation made, which is not checked again; `scores` (num_arcs,) keep their gradient."""
        fsa = cls.__new__(cls)
        fsa._start(arcs, scores)
        return fsa

    # ---- Attributes

    @property
    def arcs(self) -> RaggedArc:
        """The arcs, with the scores as they are now in the last column."""
        scores, column = self.scores, self._arcs.scores()
        if scores.dtype != torch.float32 or scores.data_ptr() != column.data_ptr():
            version = _version(self._arcs)
            column.copy_(scores.detach())
            known = self.__dict__["_properties"]
            if known is not None and known[1] == version:  # no change of what the properties are about
                self.__dict__["_properties"] = (known[0], _version(self._arcs))
        return self._arcs

    @property
    def num_arcs(self) -> int:
        return self._arcs.num_elements()

    @property
    def shape(self) -> tuple[int | None, ...]:
        return (self._arcs.dim0(), *[None] * (self._arcs.num_axes() - 1))

    @property
    def labels(self) -> Tensor:
        return self._arcs.values()[:, 2]

    @property
    def device(self) -> torch.device:
        return self.scores.device

    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def requires_grad(self) -> bool:
        return self.scores.requires_grad

    @property
    def grad(self) -> Tensor | None:
        return self.scores.grad

    def requires_grad_(self, requires_grad: bool = True) -> "Fsa":
        self.scores.requires_grad_(requires_grad)
        return self

    @property
    def properties(self) -> int:
        """Bits of `sonant.fsa.fsa_properties`. Raises FstError where this is no valid automaton."""
        version = _version(self._arcs)
        known = self.__dict__["_properties"]
        if known is None or known[1] != version:
            fsa_properties.check_valid(self._arcs, "Fsa")
            known = self.__dict__["_properties"] = (fsa_properties.find(self._arcs), version)
        return known[0]

    @property
    def properties_str(self) -> str:
        return fsa_properties.to_str(self.properties)

    def named_tensor_attr(self, include_scores: bool = True) -> Iterator[tuple[str, Any]]:
        """Names and values of what belongs to the arcs."""
        return iter([item for item in self._tensor_attr.items() if include_scores or item[0] != "scores"])

    def named_non_tensor_attr(self) -> Iterator[tuple[str, Any]]:
        return iter(list(self._non_tensor_attr.items()))

    def get_filler(self, attribute_name: str) -> float:
        """What an arc without a source has for the attribute: fsa.NAME_filler, or 0."""
        filler = getattr(self, f"{attribute_name}_filler", 0)
        if attribute_name == "aux_labels" and filler != 0:
            raise FstError(f"aux_labels_filler is {filler}; aux_labels are filled with 0, which is epsilon")
        return filler

    def __getattr__(self, name: str) -> Any:
        for attributes in ("_tensor_attr", "_non_tensor_attr"):
            found = self.__dict__.get(attributes, {})
            if name in found:
                return found[name]
        raise AttributeError(f"this Fsa has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HIDDEN or (name != "labels" and isinstance(getattr(type(self), name, None), property)):
            raise FstError(f"{name} of an Fsa cannot be set")
        if not isinstance(value, Tensor | RaggedTensor):
            self._tensor_attr.pop(name, None)
            self._non_tensor_attr[name] = value
            return
        rows = value.dim0 if isinstance(value, RaggedTensor) else (value.shape[0] if value.ndim else None)
        if rows != self.num_arcs:
            raise FstError(f"{name}: {rows} rows, expected {self.num_arcs}, one for each arc")
        if value.device != self.device:
            raise FstError(f"{name} is on {value.device}, the automata on {self.device}; move one: .to")
        if name == "labels":
            self._set_labels(value)
            return
        floats = (torch.float32, torch.float64)
        if name == "scores" and (
            isinstance(value, RaggedTensor) or value.ndim != 1 or value.dtype not in floats
        ):
            raise FstError(f"scores: {value.dtype}, expected one row of torch.float32 or float64")
        self._non_tensor_attr.pop(name, None)
        self._tensor_attr[name] = value

    def _set_labels(self, labels: Tensor | RaggedTensor) -> None:
        if isinstance(labels, RaggedTensor) or labels.dtype != torch.int32 or labels.ndim != 1:
            raise FstError(f"labels: {labels.dtype}, expected one row of torch.int32")
        _, _, states = self._arcs.places()
        final = self._arcs.values()[:, 1] == states - 1
        labels = torch.where(final & (labels == 0), -1, torch.where(~final & (labels == -1), 0, labels))
        before = self._arcs
        self.__dict__["_arcs"] = RaggedArc(before.shape(), before.values().clone())
        self._arcs.values()[:, 2] = labels
        self.__dict__["_properties"] = None
        try:
            _ = self.properties
        except FstError:
            self.__dict__.update(_arcs=before, _properties=None)
            raise

    def __delattr__(self, name: str) -> None:
        for attributes in (self._tensor_attr, self._non_tensor_attr):
            if name in attributes and name != "scores":
                del attributes[name]
                return
        raise AttributeError(f"this Fsa has no attribute {name!r} that could be deleted")

    # ---- Scores of states, paths and arcs

    def _graphs(self, operation: str) -> fsa_scores.Graphs:
        if not self._arcs.is_batch():
            raise FstError(f"{operation}: one automaton, expected a batch: create_fsa_vec([fsa])")
        arcs = self._arcs
        return fsa_scores.Graphs(arcs.values(), arcs.state_splits(), arcs.fsa_splits(), operation)

    def get_forward_scores(self, use_double_scores: bool, log_semiring: bool) -> Tensor:
        """From the start to each state, (states of all,): the log of the sum over paths, or the best path.

        float64 with use_double_scores, else float32. Differentiable. Raises FstError unless the batch is
        top-sorted and without cycles.
        """
        graphs = self._graphs("get_forward_scores")
        return fsa_scores.forward_scores(graphs, self.scores, log_semiring, dtype=_dtype(use_double_scores))

    def get_backward_scores(self, use_double_scores: bool, log_semiring: bool) -> Tensor:
        """From each state to the final one, as get_forward_scores."""
        graphs = self._graphs("get_backward_scores")
        return fsa_scores.backward_scores(graphs, self.scores, log_semiring, dtype=_dtype(use_double_scores))

    def get_tot_scores(self, use_double_scores: bool, log_semiring: bool) -> Tensor:
        """Of all paths of each automaton, (num_fsas,): the log of the sum, or the best. -inf where there are
        none.

        The gradient is the posterior of each arc, or 1 for the arcs of one best path.
        """
        graphs = self._graphs("get_tot_scores")
        return fsa_scores.total_scores(graphs, self.scores, log_semiring, dtype=_dtype(use_double_scores))

    def get_arc_post(self, use_double_scores: bool, log_semiring: bool) -> Tensor:
        """Log of the posterior of each arc, (num_arcs,); without log_semiring, how much worse than the best
        path the best one through the arc is. Differentiable.
        """
        graphs = self._graphs("get_arc_post")
        return fsa_scores.arc_posteriors(graphs, self.scores, log_semiring, dtype=_dtype(use_double_scores))

    def set_scores_stochastic_(self, scores: Tensor) -> None:
        """Sets scores so that the exponentials of those that leave a state sum to 1; scores (num_arcs,)
        float32.
        """
        if scores.shape != (self.num_arcs,) or scores.dtype != torch.float32:
            raise FstError(
                f"set_scores_stochastic_: {tuple(scores.shape)} of {scores.dtype}, expected "
                f"({self.num_arcs},) "
                "of torch.float32"
            )
        ragged = RaggedTensor(self._arcs.shape().to(scores.device), scores)
        self.scores = ragged.normalize(use_log=True).values.to(self.device)

    # ---- Attributes moved about

    def rename_tensor_attribute_(self, src_name: str, dest_name: str) -> "Fsa":
        """Renames what belongs to the arcs, and the other attributes whose names begin so (NAME_sym,
        NAME_filler).

        `labels` and `scores` may be given too, and then stay where they were. What dest_name was is lost.
        """
        if src_name == dest_name or (src_name not in self._tensor_attr and src_name != "labels"):
            raise FstError(
                f"rename_tensor_attribute_: {src_name!r} to {dest_name!r}; expected another name for one of "
                f"{['labels', *self._tensor_attr]}"
            )
        value = self.labels.clone() if src_name == "labels" else self._tensor_attr[src_name]
        setattr(self, dest_name, value)
        if src_name not in ("labels", "scores"):
            del self._tensor_attr[src_name]
        moved = {name: v for name, v in self._non_tensor_attr.items() if name.startswith(src_name)}
        for name in list(self._non_tensor_attr):
            if name in moved or name.startswith(dest_name):
                del self._non_tensor_attr[name]
        for name, v in moved.items():
            self._non_tensor_attr[dest_name + name[len(src_name) :]] = v
        return self

    def invert_(self) -> "Fsa":
        """Swaps labels and aux_labels, and what is named after them. Raises FstError where aux_labels are
        none, or ragged (`invert` takes these).
        """
        if not isinstance(self._tensor_attr.get("aux_labels"), Tensor):
            found = "ragged ones" if "aux_labels" in self._tensor_attr else "none"
            raise FstError(f"invert_: expected aux_labels in a tensor, found {found}")
        self.rename_tensor_attribute_("labels", "__swapped")
        self.rename_tensor_attribute_("aux_labels", "labels")
        return self.rename_tensor_attribute_("__swapped", "aux_labels")

    def invert(self) -> "Fsa":
        return self.clone().invert_()

    def convert_attr_to_ragged_(self, name: str, remove_eps: bool = True) -> "Fsa":
        """Makes an int32 attribute ragged: a row of one for each arc, without zeros if remove_eps."""
        value = self.labels if name == "labels" else self._tensor_attr.get(name)
        if not isinstance(value, Tensor) or value.ndim != 1 or value.dtype != torch.int32:
            raise FstError(f"convert_attr_to_ragged_: {name!r} is {value!r}, expected one row of torch.int32")
        ragged = RaggedTensor(regular_ragged_shape(value.numel(), 1).to(value.device), value.contiguous())
        setattr(self, name, ragged.remove_values_eq(0) if remove_eps else ragged)
        return self

    # ---- Copies and parts

    def _copy(self, arcs: RaggedArc, scores: Tensor, change: Any) -> "Fsa":
        fsa = Fsa.made(arcs, scores)
        known = self.__dict__["_properties"]
        if known is not None and known[1] == _version(self._arcs):
            fsa.__dict__["_properties"] = (known[0], _version(arcs))
        for name, value in self.named_tensor_attr(include_scores=False):
            setattr(fsa, name, change(value))
        for name, value in self.named_non_tensor_attr():
            setattr(fsa, name, value)
        return fsa

    def clone(self) -> "Fsa":
        return self._copy(self.arcs.clone(), self.scores.clone(), lambda value: value.clone())

    def detach(self) -> "Fsa":
        """The same arcs and attributes, without their gradients."""
        return self._copy(self.arcs, self.scores.detach(), lambda value: value.detach())

    def to(self, device: torch.device | str) -> "Fsa":
        if torch.device(device) == self.device:
            return self
        return self._copy(self.arcs.to(device), self.scores.to(device), lambda value: value.to(device))

    def __getitem__(self, i: int) -> "Fsa":
        """Automaton i of a batch."""
        if not self._arcs.is_batch():
            raise FstError(f"an Fsa of shape {self.shape} is one automaton and has no parts")
        if not -self._arcs.dim0() <= i < self._arcs.dim0():
            raise FstIndexError(f"automaton {i} is not there; there are {self._arcs.dim0()}")
        arcs, begin = self._arcs.index(0, i % self._arcs.dim0())
        end = begin + arcs.num_elements()

        def part(value: Any) -> Any:
            return value.arange(0, begin, end) if isinstance(value, RaggedTensor) else value[begin:end]

        fsa = self._copy(arcs.clone(), self.scores[begin:end], part)
        fsa.__dict__["_properties"] = None
        return fsa

    @staticmethod
    def from_fsas(fsas: Sequence["Fsa"]) -> "Fsa":
        from sonant.fsa.batches import create_fsa_vec

        return create_fsa_vec(fsas)

    # ---- Dictionaries, text, drawings, transducers

    def arcs_as_tensor(self) -> Tensor:
        """What `Fsa(...)` takes: (num_arcs, 4), or one row for a batch. int32; scores as their bits."""
        return self.arcs.to_tensor()

    def as_dict(self) -> dict[str, Any]:
        """For torch.save; `from_dict` takes it back."""
        named = {**dict(self.named_tensor_attr(include_scores=False)), **self._non_tensor_attr}
        return {"arcs": self.arcs_as_tensor(), **named}

    @classmethod
    def from_dict(cls, dict_in: dict[str, Any]) -> "Fsa":
        if not isinstance(dict_in.get("arcs"), Tensor):
            raise FstError(f"from_dict: the keys {sorted(dict_in)}, expected 'arcs', a tensor, among them")
        fsa = cls(dict_in["arcs"].clone(), aux_labels=dict_in.get("aux_labels"))
        for name, value in dict_in.items():
            if name not in ("arcs", "aux_labels"):
                setattr(fsa, name, value)
        return fsa

    @classmethod
    def from_str(
        cls,
        s: str,
        acceptor: bool | None = None,
        num_aux_labels: int | None = None,
        aux_label_names: Sequence[str] | None = None,
        ragged_label_names: Sequence[str] = (),
        openfst: bool = False,
    ) -> "Fsa":
        """From lines `src dest label [aux labels ...] [[ragged labels] ...] [score]`, in the order of src,
        and last the number of the final state; a score that is missing is 0.

        At most one of acceptor (False: one aux label), num_aux_labels and aux_label_names is given; the names
        are aux_labels, aux_labels2, ... Ragged labels stand in brackets. With openfst, costs in the place of
        scores, in any order of src, and lines `state [cost]` of final states, which get arcs to one more
        state; the source of the first line is the start. Raises FstError, which names the line.
        """
        names = fsa_text.aux_names(acceptor, num_aux_labels, aux_label_names)
        lines = fsa_text.parse(s, len(names), len(ragged_label_names), openfst)
        fsa = cls(lines.arcs)
        for name, values in zip(names, lines.aux, strict=True):
            setattr(fsa, name, values)
        for name, rows in zip(ragged_label_names, lines.ragged, strict=True):
            setattr(fsa, name, rows)
        return fsa

    @classmethod
    def from_openfst(
        cls,
        s: str,
        acceptor: bool | None = None,
        num_aux_labels: int | None = None,
        aux_label_names: Sequence[str] | None = None,
        ragged_label_names: Sequence[str] = (),
    ) -> "Fsa":
        return cls.from_str(s, acceptor, num_aux_labels, aux_label_names, ragged_label_names, openfst=True)

    def to_str(self, openfst: bool = False) -> str:
        """k2's description: the lines that from_str reads (after 'k2.Fsa: '), properties and attributes."""
        return fsa_text.describe(self, openfst)

    __str__ = to_str

    def __repr__(self) -> str:
        size = f"{self._arcs.num_states()} states, {self.num_arcs} arcs"
        return f"Fsa({size})" if not self._arcs.is_batch() else f"Fsa({self.shape[0]} automata, {size})"

    def draw(self, filename: str | os.PathLike[str], title: str | None = None) -> str:
        """Writes a drawing, as .dot or, by Graphviz, .svg, .png, .pdf ...; gives it in Graphviz's
        language.
        """
        from sonant.fsa.drawing import draw

        return draw(self, filename, title)

    @classmethod
    def from_fst(cls, fst: "Fst") -> "Fsa":
        """One automaton of a tropical or log Fst: scores are minus its costs, final costs are arcs labelled
        -1 to one more state, output labels are aux_labels unless all are as the input labels.
        """
        from sonant.fsa.fst_conversion import from_fst

        return from_fst(fst)

    def to_fst(self, arc_type: str = "standard") -> "Fst":
        """An Fst of one automaton, costs being minus its scores: the arcs to the final state become final
        costs.

        Raises FstError for a batch, for ragged aux_labels, and for two final arcs of one state, whose costs
        an Fst cannot keep apart (they are added up: the better one where arc_type is 'standard').
        """
        from sonant.fsa.fst_conversion import to_fst

        return to_fst(self, arc_type)

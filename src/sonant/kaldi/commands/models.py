"""Commands that copy acoustic models and trees, and tell what is in them."""

from collections.abc import Iterator
from typing import Any

from sonant.errors import OptionError
from sonant.kaldi.commands.command import (
    BinaryOptions,
    NoOptions,
    Run,
    command,
    read_object,
    write_object,
)
from sonant.kaldi.gmm import DiagGmm
from sonant.kaldi.gmm.am import AmDiagGmm
from sonant.kaldi.hmm import TransitionModel
from sonant.kaldi.tree import ContextDependency
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.options import option


class GmmCopyOptions(BinaryOptions):
    copy_am: bool = option(True, "copy-am", "Write the mixtures")
    copy_tm: bool = option(True, "copy-tm", "Write the transition model")


@command("<model-in> <model-out>")
def gmm_copy(run: Run, options: GmmCopyOptions, source: str, target: str) -> int:
    """Copy a model of Gaussian mixtures, or one of its two parts, and change its format."""
    if not (options.copy_am or options.copy_tm):
        raise OptionError(
            "--copy-am=false with --copy-tm=false leaves nothing; expected one of them at the least"
        )
    transitions, mixtures = _read_model(source, mixtures=options.copy_am)
    with xopen(target, "wb" if options.binary else "wt") as out:
        if options.copy_tm:
            transitions.write(out.stream(), options.binary)
        if options.copy_am:
            mixtures.write(out.stream(), options.binary)
    run.log(f"Wrote model to {target}")
    return 0


copy_gmm = gmm_copy


@command("<model-in>")
def gmm_info(run: Run, options: NoOptions, source: str) -> int:
    """Tell what is in a model of Gaussian mixtures."""
    transitions, mixtures = _read_model(source, mixtures=True)
    facts = [
        *_facts(transitions),
        ("feature dimension", mixtures.dim()),
        ("number of gaussians", mixtures.num_gauss()),
    ]
    return _tell(facts)


@command("<model-in>")
def am_info(run: Run, options: NoOptions, source: str) -> int:
    """Tell what is in the transition model with which a model begins."""
    return _tell(_facts(_read_model(source, mixtures=False)[0]))


def _facts(transitions: TransitionModel) -> Iterator[tuple[str, int]]:
    yield "number of phones", len(transitions.get_phones())
    yield "number of pdfs", transitions.num_pdfs()
    yield "number of transition-ids", transitions.num_transition_ids()
    yield "number of transition-states", transitions.num_transition_states()


@command("<model-in> <transition-model-out>")
def copy_transition_model(run: Run, options: BinaryOptions, source: str, target: str) -> int:
    """Copy the transition model with which a model begins."""
    write_object(_read_model(source, mixtures=False)[0], target, options.binary)
    return 0


@command("<tree-in> <tree-out>")
def copy_tree(run: Run, options: BinaryOptions, source: str, target: str) -> int:
    """Copy a phonetic decision tree, and change its format."""
    write_object(read_object(ContextDependency, source), target, options.binary)
    return 0


@command("<tree-in>")
def tree_info(run: Run, options: NoOptions, source: str) -> int:
    """Tell what is in a phonetic decision tree."""
    tree = read_object(ContextDependency, source)
    names = {
        "num-pdfs": tree.num_pdfs,
        "context-width": tree.context_width,
        "central-position": tree.central_position,
    }
    return _tell([(name, value()) for name, value in names.items()])


@command("<mixture-in> <mixture-out>")
def gmm_global_copy(run: Run, options: BinaryOptions, source: str, target: str) -> int:
    """Copy a mixture of Gaussians with diagonal covariances, such as a background model."""
    write_object(read_object(DiagGmm, source), target, options.binary)
    run.log(f"Wrote model to {target}")
    return 0


@command("<mixture-in>")
def gmm_global_info(run: Run, options: NoOptions, source: str) -> int:
    """Tell what is in a mixture of Gaussians with diagonal covariances."""
    mixture = read_object(DiagGmm, source)
    return _tell([("number of gaussians", mixture.num_gauss()), ("feature dimension", mixture.dim())])


def _read_model(rxfilename: str, mixtures: bool) -> tuple[TransitionModel, Any]:
    transitions, gmm = TransitionModel(), AmDiagGmm() if mixtures else None
    with xopen(rxfilename) as file:
        transitions.read(file.stream(), file.binary)
        if gmm is not None:
            gmm.read(file.stream(), file.binary)
    return transitions, gmm


def _tell(facts: Any) -> int:
    with xopen("-", "wt") as out:
        out.writelines(f"{name} {value}\n" for name, value in facts)
    return 0

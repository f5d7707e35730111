"""Phonetic decision trees (PyKaldi's `kaldi.tree`): reading, writing and asking them.

Building trees (questions, clustering, `build_tree`) is not here.
"""

from sonant.kaldi.tree.clusterable import (
    Clusterable,
    GaussClusterable,
    read_build_tree_stats,
    write_build_tree_stats,
)
from sonant.kaldi.tree.context import (
    PDF_CLASS,
    ContextDependency,
    monophone_context_dependency,
    monophone_context_dependency_shared,
)
from sonant.kaldi.tree.event_map import (
    ConstantEventMap,
    EventMap,
    SplitEventMap,
    TableEventMap,
    get_tree_structure,
    make_event_pair,
    read_event_type,
    write_event_type,
)

__all__ = [
    "PDF_CLASS",
    "Clusterable",
    "ConstantEventMap",
    "ContextDependency",
    "EventMap",
    "GaussClusterable",
    "SplitEventMap",
    "TableEventMap",
    "get_tree_structure",
    "make_event_pair",
    "monophone_context_dependency",
    "monophone_context_dependency_shared",
    "read_build_tree_stats",
    "read_event_type",
    "write_build_tree_stats",
    "write_event_type",
]

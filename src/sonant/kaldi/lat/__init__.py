"""Lattices by PyKaldi's names: `functions`, `sausages`, `align`."""

from sonant.kaldi.lat._lattices import transitions_of as transitions_of

"""Lattices by PyKaldi's names: `functions`, `sausages`, `align`."""

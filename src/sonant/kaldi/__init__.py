"""Kaldi's files, features and models under PyKaldi's names: `from kaldi.X import Y`, with `sonant.` in front.

No Kaldi is needed. docs/pykaldi.md lists every name of PyKaldi and what has become of it.
"""

"""Features by Kaldi's definitions under PyKaldi's names."""

"""Tables, extended filenames and options (PyKaldi's `kaldi.util`)."""

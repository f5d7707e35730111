"""Programs of PyKaldi's README and examples, as far as they read features and write archives.

Only their imports are changed. What they do between (recognise, rescore) comes with the decoders; the data
here are real recordings and a real decoding graph of Kaldi's.
"""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with wav.scp, spk2utt, mfcc.conf and words.txt, as the programs expect them."""
    lines = []
    for name in ("1898-145715-0049.opus", "BAC009S0724W0121.flac"):
        samples, rate = soundfile.read(DATA / "speech" / name, dtype="int16")
        key = name.partition(".")[0]
        soundfile.write(tmp_path / f"{key}.wav", samples, rate)
        lines.append(f"{key} {key}.wav\n")
    # One through a pipe, as recipes have them.
    (tmp_path / "wav.scp").write_text(lines[0] + lines[1].replace(" ", " cat ").replace("\n", " |\n"))
    (tmp_path / "spk2utt").write_text("".join(f"{line.split()[0]} {line.split()[0]}\n" for line in lines))
    (tmp_path / "mfcc.conf").write_text(
        "--use-energy=false\n--num-ceps=40\n--num-mel-bins=40 # hires\n--dither=0\n"
    )
    (tmp_path / "words.txt").write_bytes((DATA / "kaldi-yesno" / "words.txt").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_offline_recognition(folder: Path):
    from sonant.kaldi.fstext import CompactLatticeVectorFst, StdVectorFst, utils
    from sonant.kaldi.util.table import (
        CompactLatticeWriter,
        SequentialCompactLatticeReader,
        SequentialMatrixReader,
    )

    # Set the paths and read/write specifiers
    feats_rspec = "ark:compute-mfcc-feats --config=mfcc.conf scp:wav.scp ark:- |"
    lat_wspec = "ark:| gzip -c > lat.gz"

    # Extract the features and write output lattices
    frames = {}
    with SequentialMatrixReader(feats_rspec) as feats_reader, CompactLatticeWriter(lat_wspec) as lat_writer:
        for fkey, feats in feats_reader:
            frames[fkey] = feats.numpy().shape
            words = StdVectorFst()
            utils.make_linear_acceptor([3, 2, 3], words)
            lattice = utils.convert_std_to_lattice(words)
            lat_writer[fkey] = utils.convert_lattice_to_compact_lattice(lattice)
    assert frames == {"1898-145715-0049": (357, 40), "BAC009S0724W0121": (426, 40)}
    with SequentialCompactLatticeReader("ark:gunzip -c lat.gz |") as lattices:
        found = dict(lattices)
    assert list(found) == list(frames)
    assert all(isinstance(lattice, CompactLatticeVectorFst) for lattice in found.values())
    lattice = utils.convert_compact_lattice_to_lattice(found["BAC009S0724W0121"])
    assert utils.get_linear_symbol_sequence(lattice)[1] == [3, 2, 3]


def test_a_network_of_torch(folder: Path):
    from sonant.kaldi.matrix import Matrix
    from sonant.kaldi.util.table import MatrixWriter, SequentialMatrixReader

    feats_rspec = (
        "ark:compute-mfcc-feats --config=mfcc.conf scp:wav.scp ark:- |"
        " apply-cmvn-sliding --cmn-window=300 --center=true ark:- ark:- | add-deltas ark:- ark:- |"
    )
    model = torch.nn.Sequential(torch.nn.Linear(120, 8), torch.nn.LogSoftmax(-1))
    with SequentialMatrixReader(feats_rspec) as f, MatrixWriter("ark,scp:loglikes.ark,loglikes.scp") as w:
        for key, feats in f:
            feats = feats.numpy()
            loglikes = model(torch.from_numpy(feats))
            w[key] = Matrix(loglikes.detach().numpy())
    with SequentialMatrixReader("scp:loglikes.scp") as f:
        sums = [float(np.exp(loglikes.numpy()).sum(1).mean()) for _, loglikes in f]
    assert sums == pytest.approx([1.0, 1.0], abs=1e-5)


def test_features_in_code(folder: Path):
    from sonant.kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas
    from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
    from sonant.kaldi.feat.window import FrameExtractionOptions
    from sonant.kaldi.transform.cmvn import Cmvn
    from sonant.kaldi.util.table import SequentialMatrixReader, SequentialWaveReader

    def make_feat_pipeline(base, opts=DeltaFeaturesOptions()):  # noqa: B008
        def feat_pipeline(wav):
            feats = base.compute_features(wav.data()[0], wav.samp_freq, 1.0)
            cmvn = Cmvn(base.dim())
            cmvn.accumulate(feats)
            cmvn.apply(feats)
            return compute_deltas(opts, feats)

        return feat_pipeline

    frame_opts = FrameExtractionOptions()
    frame_opts.samp_freq = 16000
    frame_opts.allow_downsample = True
    frame_opts.dither = 0.0
    mfcc_opts = MfccOptions()
    mfcc_opts.use_energy = False
    mfcc_opts.frame_opts = frame_opts
    feat_pipeline = make_feat_pipeline(Mfcc(mfcc_opts))

    in_code = {key: feat_pipeline(wav).numpy() for key, wav in SequentialWaveReader("scp:wav.scp")}
    # The same by commands.
    rspec = (
        "ark:compute-mfcc-feats --use-energy=false --dither=0 scp:wav.scp ark:feats.ark &&"
        " compute-cmvn-stats ark:feats.ark ark:cmvn.ark && apply-cmvn ark:cmvn.ark ark:feats.ark ark:- |"
        " add-deltas ark:- ark:- |"
    )
    with SequentialMatrixReader(rspec) as f:
        for key, feats in f:
            np.testing.assert_allclose(feats.numpy(), in_code[key], atol=2e-4)


def test_online_features(folder: Path):
    from sonant.kaldi.feat.mfcc import MfccOptions
    from sonant.kaldi.feat.online import OnlineMfcc
    from sonant.kaldi.matrix import Matrix
    from sonant.kaldi.util.options import ParseOptions
    from sonant.kaldi.util.table import SequentialMatrixReader, SequentialWaveReader

    opts, po = MfccOptions(), ParseOptions("")
    opts.register(po)
    po.read_config_file("mfcc.conf")
    chunk_size = 1440
    online = {}
    for key, wav in SequentialWaveReader("scp:wav.scp"):
        feat = OnlineMfcc(opts)
        data = wav.data()[0]
        for i in range(0, len(data), chunk_size):
            feat.accept_waveform(wav.samp_freq, data[i : i + chunk_size])
        feat.input_finished()
        online[key] = Matrix(feat.num_frames_ready(), feat.dim())
        feat.get_frames(list(range(feat.num_frames_ready())), online[key])
    with SequentialMatrixReader("ark:compute-mfcc-feats --config=mfcc.conf scp:wav.scp ark:- |") as f:
        for key, feats in f:
            np.testing.assert_array_equal(feats.numpy(), online[key].numpy())


def test_symbols(folder: Path):
    from sonant.kaldi.fstext import SymbolTable, indices_to_symbols

    symbols = SymbolTable.read_text("words.txt")
    assert indices_to_symbols(symbols, [3, 2, 3]) == ["YES", "NO", "YES"]
    assert symbols.find_index("NO") == 2

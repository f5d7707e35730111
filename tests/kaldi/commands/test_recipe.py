"""A recipe as Kaldi's steps write it, from compressed recordings to features for training.

In a shell by links of Kaldi's names, in this process by pipes in specifiers, and by the library's own calls:
all agree.
"""

import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sonant.errors import SpecifierError
from sonant.kaldi.feat.functions import DeltaFeaturesOptions, compute_deltas, splice_frames
from sonant.kaldi.feat.mfcc import Mfcc, MfccOptions
from sonant.kaldi.matrix.compressed import CompressedMatrix
from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util import table

SPEECH = Path(__file__).parents[2] / "data" / "speech"
SEGMENTS = {
    "jfk-1": ("jfk", 0.3, 2.35),
    "jfk-2": ("jfk", 3.2, 5.1),
    "sb-1": ("sb", 0.0, 2.6),
}
# Decodes a recording where sox or flac is not installed: the file is the argument that is one.
STAND_IN = """\
#!{python}
import os, sys, soundfile
samples, rate = soundfile.read(next(filter(os.path.isfile, sys.argv[1:])), dtype="int16")
soundfile.write(sys.stdout.buffer, samples, rate, format="WAV", subtype="PCM_16")
"""


@pytest.fixture(scope="module")
def decoders(tmp_path_factory):
    """A folder with stand-ins for sox and flac; those that are installed have precedence on PATH."""
    folder = tmp_path_factory.mktemp("decoders")
    for name in ("sox", "flac"):
        (folder / name).write_text(STAND_IN.format(python=sys.executable))
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def data(tmp_path, monkeypatch, decoders):
    """A data directory of Kaldi's in the present folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{decoders}")
    jfk, sb = (shlex.quote(str(SPEECH / name)) for name in ("jfk.flac", "sb-spk1_snt1.flac"))
    Path("wav.scp").write_text(f"jfk flac -c -d -s {jfk} |\nsb sox {sb} -t wav -r 16000 -b 16 - |\n")
    Path("segments").write_text(
        "".join(f"{key} {rec} {start} {end}\n" for key, (rec, start, end) in SEGMENTS.items())
    )
    Path("utt2spk").write_text("".join(f"{key} {rec}\n" for key, (rec, _, _) in SEGMENTS.items()))
    Path("spk2utt").write_text("jfk jfk-1 jfk-2\nsb sb-1\n")
    Path("mfcc.conf").write_text("--use-energy=false   # only non-default options.\n\n--dither=0\n")
    return tmp_path


def contents(specifier):
    with table.SequentialMatrixReader(specifier) as reader:
        return {key: value.numpy().copy() for key, value in reader}


@pytest.fixture
def expected():
    """By the library's own calls."""
    options = MfccOptions(use_energy=False)
    options.frame_opts.dither = 0
    feats = {}
    for key, (rec, start, end) in SEGMENTS.items():
        name = {"jfk": "jfk", "sb": "sb-spk1_snt1"}[rec]
        samples, rate = soundfile.read(SPEECH / f"{name}.flac", dtype="int16")
        mfcc = Mfcc(options).compute(samples[int(start * rate) : int(end * rate)].astype(np.float32))
        feats[key] = np.asarray(CompressedMatrix(mfcc))
    for speaker in ("jfk", "sb"):
        cmvn = Cmvn(13)
        keys = [key for key in feats if key.startswith(speaker)]
        for key in keys:
            cmvn.accumulate(feats[key])
        for key in keys:
            cmvn.apply(feats[key])
    return {
        key: splice_frames(compute_deltas(DeltaFeaturesOptions(), x), 1, 1).numpy()
        for key, x in feats.items()
    }


MAKE_FEATS = (
    "extract-segments scp,p:wav.scp segments ark:- | "
    "compute-mfcc-feats --verbose=2 --config=mfcc.conf ark:- ark:- | "
    "copy-feats --write-num-frames=ark,t:utt2num_frames --compress=true ark:- ark,scp:mfcc.ark,feats.scp"
)
MAKE_CMVN = "compute-cmvn-stats --spk2utt=ark:spk2utt scp:feats.scp ark,scp:cmvn.ark,cmvn.scp"
FEATS = (
    "ark,s,cs:apply-cmvn --utt2spk=ark:utt2spk scp:cmvn.scp scp:feats.scp ark:- | add-deltas ark:- ark:- | "
    "splice-feats --left-context=1 --right-context=1 ark:- ark:- |"
)


def test_in_a_shell_by_links_of_kaldis_names(shell, data, expected):
    linked = shell("sonant kaldi --link bin")
    assert linked.status == 0
    assert b"export PATH=" in linked.out
    script = (
        f'set -e\n{MAKE_FEATS}\n{MAKE_CMVN}\nfeats={shlex.quote(FEATS)}\ncopy-feats "$feats" ark:final.ark'
    )
    done = shell(script, path=str(data / "bin"))
    assert done.status == 0, done.err
    for line in (
        "LOG (extract-segments) Extracted 3 segments of 3 lines.",
        "LOG (compute-mfcc-feats) Done 3 out of 3 utterances.",
        "LOG (compute-cmvn-stats) Done accumulating CMVN stats for 3 utterances; 0 had errors.",
        "LOG (copy-feats) Copied 3 feature matrices.",
    ):
        assert line in done.err
    check(data, contents("ark:final.ark"), expected)


def test_in_this_process_by_pipes_in_specifiers(run, data, expected):
    source, _, last = MAKE_FEATS.rpartition(" | copy-feats ")
    arguments = shlex.split(last.replace("ark:- ark,scp", f"'ark:{source} |' ark,scp"))
    assert run("copy-feats", *arguments)[0] == 0
    assert run(*shlex.split(MAKE_CMVN))[0] == 0
    check(data, contents(FEATS), expected)
    with table.RandomAccessMatrixReader(FEATS) as reader:
        assert np.array_equal(reader["jfk-2"].numpy(), contents(FEATS)["jfk-2"])


def test_as_one_line(data, expected):
    """With statistics in a pipe of their own, within the quotes of another."""
    mfcc = (
        "sonant kaldi extract-segments scp:wav.scp segments ark:- | sonant kaldi compute-mfcc-feats "
        "--config=mfcc.conf ark:- ark:- | sonant kaldi copy-feats --compress=true ark:- ark:- |"
    )
    stats = f'ark:sonant kaldi compute-cmvn-stats --spk2utt=ark:spk2utt "ark:{mfcc}" ark:- |'
    feats = (
        f"ark:sonant kaldi apply-cmvn --utt2spk=ark:utt2spk '{stats}' 'ark:{mfcc}' ark:- | "
        "sonant kaldi add-deltas ark:- ark:- | "
        "sonant kaldi splice-feats --left-context=1 --right-context=1 ark:- ark:- |"
    )
    check(None, contents(feats), expected)


def check(folder, found, expected):
    if folder is not None:
        lengths = [f"{key} {len(value)}" for key, value in expected.items()]
        assert [line.strip() for line in (folder / "utt2num_frames").read_text().splitlines()] == lengths
        assert len((folder / "cmvn.scp").read_text().splitlines()) == 2
    assert list(found) == list(expected)
    for key, value in found.items():
        assert value.shape == (len(value), 117)
        np.testing.assert_allclose(value, expected[key], atol=2e-5)


def test_a_decoder_that_fails(shell, data, capfd):
    Path("wav.scp").write_text("jfk flac -c -d -s gone.flac |\n")
    done = shell("sonant kaldi compute-mfcc-feats scp:wav.scp ark:out.ark")
    assert done.status == 255
    assert (
        "ERROR (compute-mfcc-feats) the command 'flac -c -d -s gone.flac' ended with exit status" in done.err
    )
    assert "Traceback" not in done.err.split("ERROR (compute-mfcc-feats)")[1]
    with pytest.raises(
        SpecifierError, match=r"the command 'compute-mfcc-feats scp:wav.scp ark:-' failed: the command"
    ):
        contents("ark:compute-mfcc-feats scp:wav.scp ark:- |")
    # Kaldi's option `p` passes over it: then there is nothing to write.
    assert shell("sonant kaldi compute-mfcc-feats scp,p:wav.scp ark:out.ark").status == 1

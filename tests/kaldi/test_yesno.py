"""A real run of Kaldi, from the archives to the phones: its files are read, and its numbers come out.

MFCC from a wave: feat/test_yesno_mfcc.py; models, trees and likelihoods: gmm/test_yesno.py, hmm and tree.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest

from sonant.kaldi.hmm import TransitionModel, split_to_phones
from sonant.kaldi.transform.cmvn import Cmvn
from sonant.kaldi.util.io import xopen
from sonant.kaldi.util.table import (
    CompressedMatrixWriter,
    RandomAccessMatrixReader,
    SequentialCompressedMatrixReader,
    SequentialDoubleMatrixReader,
    SequentialIntVectorReader,
    SequentialMatrixReader,
)

RUN = Path(__file__).parents[1] / "data" / "kaldi-yesno"


@pytest.fixture(autouse=True)
def in_the_run_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(RUN)  # its scripts name files without a folder


def texts() -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in (RUN / "text").read_text().splitlines()}


def test_its_script_leads_into_its_archives():
    with SequentialMatrixReader("scp:feats.scp") as reader:
        by_script = {key: matrix.numpy() for key, matrix in reader}
    in_order = {}
    for i in range(1, 5):
        with SequentialMatrixReader(f"ark:raw_mfcc_train_yesno.{i}.ark") as reader:
            in_order |= {key: matrix.numpy() for key, matrix in reader}
    assert list(by_script) == list(in_order) == list(texts())
    for key, matrix in in_order.items():
        assert matrix.shape[1] == 13
        np.testing.assert_array_equal(by_script[key], matrix)


def test_its_compressed_archives_are_rewritten_byte_for_byte(tmp_path: Path):
    for i in range(1, 5):
        name = f"raw_mfcc_train_yesno.{i}.ark"
        with (
            SequentialCompressedMatrixReader(f"ark:{name}") as reader,
            CompressedMatrixWriter(f"ark:{tmp_path}/x") as out,
        ):
            for key, matrix in reader:
                out[key] = matrix
        assert (tmp_path / "x").read_bytes() == (RUN / name).read_bytes()


def test_its_cmvn_statistics():
    with SequentialDoubleMatrixReader("scp:cmvn.scp") as reader:
        ((speaker, theirs),) = list(reader)
    (line,) = (RUN / "spk2utt").read_text().splitlines()
    assert speaker == line.split()[0] == "global"
    cmvn = Cmvn(13)
    with RandomAccessMatrixReader("scp:feats.scp") as feats:
        for utterance in line.split()[1:]:
            cmvn.accumulate(feats[utterance])
    assert cmvn.stats is not None
    assert cmvn.stats.numpy()[0, 13] == theirs.numpy()[0, 13] == 18996
    np.testing.assert_allclose(cmvn.stats.numpy(), theirs.numpy(), rtol=1e-6)
    # The same by its command.
    command = "compute-cmvn-stats --spk2utt=ark:spk2utt scp:feats.scp ark:- |"
    with SequentialDoubleMatrixReader(f"ark:{command}") as reader:
        ((_, again),) = list(reader)
    np.testing.assert_array_equal(again.numpy(), cmvn.stats.numpy())


def test_its_alignments_say_what_its_transcripts_say():
    model = TransitionModel()
    with xopen("40.mdl") as file:
        model.read(file.stream(), file.binary)
    phones = {int(line.split()[1]): line.split()[0] for line in (RUN / "phones.txt").read_text().splitlines()}
    words = {
        phone: word
        for word, phone in (line.split() for line in (RUN / "lexicon.txt").read_text().splitlines())
    }
    expected, seen = texts(), 0
    with (
        SequentialIntVectorReader("ark:gunzip -c ali.1.gz |") as alignments,
        RandomAccessMatrixReader("scp:feats.scp") as feats,
    ):
        for key, alignment in alignments:
            assert len(alignment) == feats[key].numpy().shape[0]
            success, parts = split_to_phones(model, alignment)
            assert success
            said = [phones[model.transition_id_to_phone(part[0])] for part in parts]
            assert [words[phone] for phone in said if phone != "SIL"] == expected[key]
            seen += 1
    assert seen == 31
    assert gzip.decompress((RUN / "ali.1.gz").read_bytes()).count(b"\n") == 31

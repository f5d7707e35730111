"""Pipes whose commands are sonant's own run in threads, and do and say what a shell's would."""

import gzip
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from sonant.errors import ArkError, SpecifierError
from sonant.kaldi.util import pipes, table
from sonant.kaldi.util.io import xopen

FEATS = {f"utt{i}": np.full((40, 30), i, np.float32) for i in range(300)}  # 1.4 MB: more than a pipe holds


@pytest.fixture(autouse=True)
def nothing_is_left():
    """No thread, no descriptor and no zombie stays behind."""
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    yield
    until = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def ark(tmp_path):
    with table.MatrixWriter(f"ark:{tmp_path}/feats.ark") as writer:
        for key, value in FEATS.items():
            writer[key] = value
    return tmp_path / "feats.ark"


@pytest.fixture
def no_shell(monkeypatch):
    """A shell is an error."""

    def refuse(*arguments, **_):
        raise AssertionError(f"a shell was asked to run {arguments}")

    monkeypatch.setattr(pipes.subprocess, "Popen", refuse)


@pytest.mark.parametrize(
    ("command", "stages"),
    [
        ("sonant kaldi copy-feats ark:- ark:-", [["copy-feats", "ark:-", "ark:-"]]),
        (
            "sonant kaldi copy-feats 'scp:a b' ark:- | sonant kaldi add-deltas ark:- ark:- ",
            [["copy-feats", "scp:a b", "ark:-"], ["add-deltas", "ark:-", "ark:-"]],
        ),
        (
            "\n sonant kaldi copy-feats 'ark:zcat *.gz | cat |' \"ark,t:x y\" |\n\tadd-deltas ark:- ark:-\n",
            [["copy-feats", "ark:zcat *.gz | cat |", "ark,t:x y"], ["add-deltas", "ark:-", "ark:-"]],
        ),
        (
            "copy-feats --compress=true ark:\"a\"'b'c ark:-",
            [["copy-feats", "--compress=true", "ark:abc", "ark:-"]],
        ),
        ("sonant kaldi copy-feats scp:$x ark:-", None),
        ('sonant kaldi copy-feats "scp:$x" ark:-', None),
        ("sonant kaldi copy-feats 'scp:$x' ark:-", [["copy-feats", "scp:$x", "ark:-"]]),
        ("sonant kaldi copy-feats ark:`ls` ark:-", None),
        ("sonant kaldi copy-feats ark:*.ark ark:-", None),
        ("sonant kaldi copy-feats ark:~/x ark:-", None),
        (r"sonant kaldi copy-feats ark:a\ b ark:-", None),
        ("sonant kaldi copy-feats ark:- ark:- > x", None),
        ("sonant kaldi copy-feats ark:- ark:- 2>/dev/null", None),
        ("sonant kaldi copy-feats ark:- ark:-; true", None),
        ("sonant kaldi copy-feats ark:- ark:- && true", None),
        ("sonant kaldi copy-feats ark:- ark:- || true", None),
        ("sonant kaldi copy-feats ark:- ark:- # why", None),
        ("sonant kaldi copy-feats ark:- ark:-\nsonant kaldi copy-feats ark:- ark:-", None),
        ("LC_ALL=C sonant kaldi copy-feats ark:- ark:-", None),
        ("sonant kaldi copy-feats 'ark:- ark:-", None),
        ("sox x.wav -t wav - | sonant kaldi copy-feats ark:- ark:-", None),
        ("sonant kaldi copy-feats ark:- ark:- | head -c 5", None),
        ("sonant transcribe x", None),
        ("sonant kaldi copy-feats --help", None),
        ("sonant kaldi --help", None),
        ("sonant kaldi", None),
        ("cat x", None),
    ],
)
def test_which_commands_need_no_shell(command, stages, monkeypatch):
    monkeypatch.setenv("PATH", "")  # on which there is no Kaldi
    assert pipes.own_stages(command) == stages


def test_kaldis_own_command_is_kaldis_where_it_is_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pipes.own_stages("copy-feats ark:- ark:-") == [["copy-feats", "ark:-", "ark:-"]]
    (tmp_path / "sonant").write_text("")
    (tmp_path / "sonant").chmod(0o755)
    (tmp_path / "copy-feats").symlink_to(tmp_path / "sonant")
    assert pipes.own_stages("copy-feats ark:- ark:-") == [["copy-feats", "ark:-", "ark:-"]]
    (tmp_path / "copy-feats").unlink()
    (tmp_path / "copy-feats").write_text("")
    (tmp_path / "copy-feats").chmod(0o755)
    assert pipes.own_stages("copy-feats ark:- ark:-") is None


def equal(found, expected):
    assert list(found) == list(expected)
    for key, value in found.items():
        assert np.array_equal(value, expected[key])


def contents(specifier):
    with table.SequentialMatrixReader(specifier) as reader:
        return {key: value.numpy().copy() for key, value in reader}


@pytest.mark.usefixtures("no_shell")
def test_reading_from_stages(ark):
    one = f"ark:sonant kaldi copy-feats ark:{ark} ark:- |"
    equal(contents(one), FEATS)
    equal(
        contents(f"{one} sonant kaldi copy-feats ark:- ark,t:- |sonant kaldi copy-matrix ark:- ark:- |"),
        FEATS,
    )
    # A stage that reads from stages itself.
    equal(contents(f"ark:sonant kaldi copy-feats '{one}' ark:- |"), FEATS)
    with table.RandomAccessMatrixReader(one) as reader:
        for key in sorted(FEATS, reverse=True):
            assert np.array_equal(reader[key].numpy(), FEATS[key])


@pytest.mark.usefixtures("no_shell")
def test_writing_to_stages(tmp_path):
    chain = "ark:| sonant kaldi copy-feats ark:- ark:- | sonant kaldi copy-matrix --scale=2 ark:- "
    with table.MatrixWriter(f"{chain} ark:{tmp_path}/out.ark") as writer:
        for key, value in FEATS.items():
            writer[key] = value
    equal(contents(f"ark:{tmp_path}/out.ark"), {key: 2 * value for key, value in FEATS.items()})


@pytest.mark.usefixtures("no_shell")
def test_standard_output_of_a_stage_that_is_written_to_is_that_of_the_command(run, ark, tmp_path):
    status, out = run("copy-feats", f"ark:{ark}", "ark:| sonant kaldi feat-to-len ark:- ark,t:-")
    assert status == 0
    assert out.decode().split() == [word for key in FEATS for word in (key, "40")]


def test_a_shell_in_a_stage_has_the_standard_streams_of_the_stage(run, ark):
    status, out = run("copy-feats", "ark:cat |", "ark,t:| cat | wc -l", stdin=ark.read_bytes())
    assert (status, out.strip()) == (0, b"12300")


@pytest.mark.usefixtures("no_shell")
def test_a_reader_that_has_had_enough_ends_the_stages(ark):
    chain = f"ark:sonant kaldi copy-feats ark:{ark} ark:- | sonant kaldi copy-feats ark:- ark:- |"
    with table.SequentialMatrixReader(chain) as reader:
        assert reader.key() == "utt0"
    # A stage that needs the first only, and ends the one before it.
    with xopen(f"sonant kaldi copy-feats ark:{ark} ark:- | sonant kaldi feat-to-dim ark:- - |", "rt") as file:
        assert file.read() == "30\n"


@pytest.mark.usefixtures("no_shell")
def test_the_error_of_a_stage_is_the_readers(ark, tmp_path):
    missing = f"sonant kaldi copy-feats ark:{tmp_path}/none ark:- |"
    why = rf"the command 'copy-feats ark:{tmp_path}/none ark:-' failed: {tmp_path}/none: cannot be opened"
    with pytest.raises(SpecifierError, match=why):
        contents(f"ark:{missing}")
    with pytest.raises(SpecifierError, match=why):  # not that add-deltas has found nothing
        contents(f"ark:{missing} sonant kaldi copy-feats ark:- ark:- |")
    with pytest.raises(SpecifierError, match=f"failed: the command 'copy-feats ark:{tmp_path}/none"):
        contents(f"ark:sonant kaldi copy-feats 'ark:{missing}' ark:- |")
    ark.write_bytes(ark.read_bytes()[:-5])
    with pytest.raises(SpecifierError, match=rf"failed: {ark}:\d+: "):
        contents(f"ark:sonant kaldi copy-feats ark:{ark} ark:- |")
    with pytest.raises(SpecifierError, match="there is no option --nothing"):
        contents(f"ark:sonant kaldi copy-feats --nothing=1 ark:{ark} ark:- |")
    with pytest.raises(SpecifierError, match="there is no command 'copy-feets'; expected copy-feats"):
        contents(f"ark:sonant kaldi copy-feets ark:{ark} ark:- |")
    with pytest.raises(SpecifierError, match="ended with exit status 1"):
        contents(f"ark:sonant kaldi copy-feats ark:{ark} |")


@pytest.mark.usefixtures("no_shell")
def test_the_error_of_a_stage_is_the_writers(tmp_path):
    writer = table.MatrixWriter(f"ark:| sonant kaldi copy-feats ark:- ark:{tmp_path}/none/x")
    with pytest.raises((ArkError, SpecifierError)):
        for key, value in FEATS.items():
            writer[key] = value
    with pytest.raises(SpecifierError, match="none/x: cannot be opened for writing"):
        writer.close()


@pytest.mark.parametrize("command", ["gunzip -c", "gzip -cd", "zcat"])
def test_a_small_gzip_file_needs_no_shell(ark, no_shell, command):
    packed = ark.parent / "a.gz"
    half = ark.read_bytes()
    packed.write_bytes(gzip.compress(half[:1000]) + gzip.compress(half[1000:]))  # two members
    equal(contents(f"ark:{command} {packed} |"), FEATS)
    with table.RandomAccessMatrixReader(f"ark:{command} {packed} |") as reader:
        assert np.array_equal(reader["utt7"].numpy(), FEATS["utt7"])


def test_a_gzip_file_that_is_none_is_gzips_to_judge(ark, capfd):
    packed = ark.parent / "a.gz"
    packed.write_bytes(gzip.compress(ark.read_bytes())[:-9])
    with pytest.raises(SpecifierError, match=r"the command 'gunzip -c .*a\.gz' ended with exit status"):
        contents(f"ark:gunzip -c {packed} |")
    assert "unexpected end of file" in capfd.readouterr().err
    packed.unlink()
    with pytest.raises(SpecifierError, match="ended with exit status"):
        contents(f"ark:gunzip -c {packed} |")


@pytest.mark.usefixtures("no_shell")
def test_reading_ahead_in_a_stage(ark):
    """The thread that reads ahead has the standard input of its stage."""
    chain = f"ark,bg:sonant kaldi copy-feats ark:{ark} ark:- | sonant kaldi copy-feats ark,bg:- ark:- |"
    equal(contents(chain), FEATS)
    script = "".join(f"{key} {ark}:{i}\n" for key, i in _offsets(ark))
    (ark.parent / "scp").write_text(script)
    with xopen(f"| sonant kaldi copy-feats scp,bg:- ark:{ark.parent}/out.ark", "wt") as out:
        out.write(script)
    equal(contents(f"ark:{ark.parent}/out.ark"), FEATS)


def _offsets(ark):
    data, end = ark.read_bytes(), 0
    for key, value in FEATS.items():
        start = data.index(f"{key} ".encode(), end) + len(key) + 1
        end = start + value.nbytes
        yield key, start


def test_many_threads_may_read_through_stages(ark):
    failures = []

    def read():
        try:
            equal(
                contents(
                    f"ark:sonant kaldi copy-feats ark:{ark} ark:- | sonant kaldi copy-feats ark:- ark:- |"
                ),
                FEATS,
            )
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_kaldis_names_in_a_shell_where_kaldi_is_not_installed(ark, tmp_path):
    rspecifier = f"ark:set -e; copy-feats 'ark:{ark}' ark:- | cat | sonant-has-no-such-name 2>/dev/null |"
    with pytest.raises(SpecifierError, match="exit status 127"):
        table.SequentialMatrixReader(rspecifier)
    rspecifier = f"ark:cat {ark} | copy-feats ark:- ark:- | select-feats 0-2 ark:- ark:- |"
    with table.SequentialMatrixReader(rspecifier) as reader:
        assert {key: matrix.numpy().shape for key, matrix in reader} == dict.fromkeys(FEATS, (40, 3))
    with table.MatrixWriter(f"ark:| cat | copy-feats ark:- ark:{tmp_path}/out.ark") as writer:
        writer["a"] = FEATS["utt3"]
    with table.SequentialMatrixReader(f"ark:{tmp_path}/out.ark") as reader:
        np.testing.assert_array_equal(reader.value().numpy(), FEATS["utt3"])


def test_a_program_may_end_with_pipes_open(ark):
    """Threads that are at work then do not abort it, and what was written is whole."""
    script = f"""
import sys
from sonant.kaldi.util.table import MatrixWriter, SequentialMatrixReader
chain = "copy-feats ark:- ark:- | copy-feats ark:-"
reading, writing = f"ark:copy-feats ark:{ark} ark:- | {{chain}} ark:- |", f"ark:| {{chain}} ark:{ark}2"
sys.kept = SequentialMatrixReader(reading), MatrixWriter(writing)
reader = SequentialMatrixReader(reading)
for key, value in reader:
    sys.kept[1][key] = value
    if key == "utt200":
        break
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "terminate" not in done.stderr
    assert len(contents(f"ark:{ark}2")) == 201

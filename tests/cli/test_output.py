import os
import stat
from pathlib import Path

import pytest

from sonant.cli.output import whole_file


def test_a_whole_file_appears_at_the_end(tmp_path: Path):
    path = tmp_path / "a.txt"
    with whole_file(path) as file:
        file.write("größer\n")
        assert not path.exists()
    assert path.read_bytes() == "größer\n".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_it_has_the_permissions_of_any_new_file(tmp_path: Path):
    (tmp_path / "plain").write_text("")
    with whole_file(tmp_path / "ours"):
        pass
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "ours")}
    assert len(modes) == 1


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(error), whole_file(path) as file:
        file.write("half")
        raise error
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(FileNotFoundError) as caught, whole_file(path):
        pass
    assert caught.value.filename == str(path)


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt") as caught, whole_file(tmp_path / "a.txt") as file:
        file.write("text")
    assert caught.value.filename == str(tmp_path / "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]

import sys
from dataclasses import field
from pathlib import Path

import pytest

from sonant.errors import OptionError
from sonant.kaldi.base.io import istringstream
from sonant.kaldi.util.options import (
    ConfigLine,
    Options,
    ParseOptions,
    is_valid_name,
    option,
    parse_config_lines,
    read_config_lines,
)


class MelOptions(Options):
    num_bins: int = option(23, "num-mel-bins", "Number of bins")
    low_freq: float = option(20.0, "low-freq", "Low cutoff")


class FeatureOptions(Options):
    mel_opts: MelOptions = field(default_factory=MelOptions)
    use_energy: bool = option(True, "use-energy", "Use energy")
    window: str = option("povey", "window-type", "Window")
    seed: int = option(0, "srand", "Seed", unsigned=True)


def parsed(*arguments: str) -> tuple[FeatureOptions, ParseOptions]:
    options, po = FeatureOptions(), ParseOptions("usage: feats [options] <in> <out>")
    options.register(po)
    po.parse_args(["feats", "--print-args=false", *arguments])
    return options, po


def test_options_of_objects():
    options, po = parsed(
        "--num-mel-bins=40", "--use_energy=false", "--low-freq=1e2", "--window-type=", "a", "--b", "c"
    )
    assert options == FeatureOptions(MelOptions(40, 100.0), False, "", 0)
    assert po.num_args() == 3
    assert [po.get_arg(i) for i in (1, 2, 3)] == ["a", "--b", "c"]
    assert po.get_opt_arg(4) == ""
    with pytest.raises(OptionError, match="argument 4 is not there: 3 were given"):
        po.get_arg(4)
    options, po = parsed("--use-energy=false", "--use-energy", "--", "--num-mel-bins=40")
    assert options == FeatureOptions()
    assert po.get_arg(1) == "--num-mel-bins=40"


def test_options_registered_one_by_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    po = ParseOptions("usage")
    po.register_bool("flag-a", False, "A")
    po.register_int("int", -1, "I")
    po.register_uint("uint", 1, "U")
    po.register_float("float", 0.5, "F")
    po.register_double("double", 0.25, "D")
    po.register_str("str", "s", "S")
    FeatureOptions().register(ParseOptions.with_prefix("feat", po))
    monkeypatch.setattr(sys, "argv", ["prog", "--flag-a", "--int=-5", "--feat.num-mel-bins=3", "x y"])
    values = po.parse_args()
    assert vars(values) == dict(flag_a=True, int=-5, uint=1, float=0.5, double=0.25, str="s")
    assert "prog --flag-a" in capsys.readouterr().err
    po.disable_option("int")
    with pytest.raises(OptionError, match="no option --int"):
        po.parse_args(["prog", "--int=3"])
    with pytest.raises(OptionError, match="was not registered"):
        po.disable_option("int")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--num-mel-bin=40", "there is no option --num-mel-bin; the options are --low-freq, --num-mel-bins"),
        ("--num-mel-bins=4.5", "'4.5' is no value for --num-mel-bins; expected an integer"),
        ("--num-mel-bins=", "expected an integer"),
        ("--num-mel-bins", "--num-mel-bins has no value; expected --num-mel-bins=<int>"),
        ("--low-freq=x", "expected a number"),
        ("--use-energy=maybe", "expected true or false"),
        ("--srand=-1", "expected an integer of 0 or more"),
    ],
)
def test_bad_options(argument: str, message: str):
    with pytest.raises(OptionError, match=message):
        parsed(argument)


def test_configuration_files(tmp_path: Path):
    (tmp_path / "f.conf").write_text(
        "--use-energy=false   # only non-default\n\n# a comment\n --num-mel-bins=40\n--srand=7"
    )
    options, _ = parsed(f"--config={tmp_path}/f.conf", "--srand=8")
    assert options == FeatureOptions(MelOptions(40), False, "povey", 8)
    options, _ = parsed("--srand=8", f"--config={tmp_path}/f.conf")
    assert options.seed == 8, "the command line has the last word"
    for text, message in (
        ("num-mel-bins=40", r"f\.conf:1: 'num-mel-bins=40'; expected a line --name=value"),
        ("\n--nonsense=1", r"f\.conf:2: there is no option --nonsense"),
        ("--num-mel-bins=x", r"f\.conf:1: 'x' is no value"),
    ):
        (tmp_path / "f.conf").write_text(text)
        with pytest.raises(OptionError, match=message):
            parsed(f"--config={tmp_path}/f.conf")
    with pytest.raises(OSError, match="No such file"):
        parsed(f"--config={tmp_path}/none")


def test_what_is_shown(capsys: pytest.CaptureFixture):
    options, po = FeatureOptions(), ParseOptions("usage: feats [options] <in> <out>")
    options.register(po)
    with pytest.raises(SystemExit) as exit_status:
        po.parse_args(["feats", "--help"])
    assert exit_status.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: feats" in shown
    assert "--num-mel-bins                : Number of bins (int, default = 23)" in shown
    assert '--window-type                 : Window (string, default = "povey")' in shown
    options.mel_opts.num_bins = 40
    po.print_config()
    config = capsys.readouterr().err
    assert config.splitlines() == [
        "--low-freq=20",
        "--num-mel-bins=40",
        "--srand=0",
        "--use-energy=true",
        "--window-type=povey",
    ]
    assert ParseOptions.escape("a b") == "'a b'"


def test_attributes_are_checked():
    options = FeatureOptions()
    options.mel_opts.low_freq = 30
    assert isinstance(options.mel_opts.low_freq, float)
    for name, value in (("use_energy", 1), ("window", 5), ("seed", True), ("seed", 1.5), ("seed", -1)):
        with pytest.raises(OptionError, match=f"FeatureOptions.{name}="):
            setattr(options, name, value)
    with pytest.raises(AttributeError, match="has no option 'use_enrgy'; it has mel_opts, use_energy"):
        options.use_enrgy = True  # type: ignore[attr-defined]


def test_config_lines():
    (line,) = parse_config_lines(
        ["component name=tdnn1 dim=64 affine=true scale=0.5 input=Append(-1, 0, 1) ids=1,2,3"]
    )
    assert line.first_token() == "component"
    assert line.get_str("name") == (True, "tdnn1")
    assert line.get_int("dim") == (True, 64)
    assert line.get_int("name") == (False, None)
    assert line.get_bool("affine") == (True, True)
    assert line.get_float("scale") == (True, 0.5)
    assert line.get_str("input") == (True, "Append(-1, 0, 1)")
    assert line.has_unused_values()
    assert line.unused_values() == "ids=1,2,3"
    assert line.get_intlist("ids") == (True, [1, 2, 3])
    assert not line.has_unused_values()
    assert line.get_str("none") == (False, None)
    for bad in ("a b c=1", "a b=1 b=2", "a =1", "a b='1"):
        assert not ConfigLine().parse_line(bad)
        with pytest.raises(OptionError, match="line 1"):
            parse_config_lines([bad])
    assert read_config_lines(istringstream.from_str("a b=1 # c\n\n#\n d\n")) == ["a b=1", "d"]
    assert (
        is_valid_name("tdnn1.affine-2_b")
        and not is_valid_name("1a")
        and not is_valid_name("")
        and not is_valid_name("a b")
    )

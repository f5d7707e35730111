"""yesno (OpenSLR SLR1): sixty recordings of eight Hebrew words for yes and no, LF-MMI from a flat start.

    sonant train recipes/yesno.py --data CORPUS

CORPUS has a manifest.jsonl of the recordings in the order of their names. As in Kaldi's recipe the last 29
are recognised and the others trained on.
"""

from pathlib import Path

from sonant.train import MmiConfig


def config(data: tuple[Path, ...], exp: Path = Path("exp/yesno"), seed: int = 0) -> MmiConfig:
    return MmiConfig(
        exp=exp,
        data=data,
        lexicon={"NO": "L O", "YES": "K E N"},
        held_out=29,
        sample_rate=8000,
        seed=seed,
    )

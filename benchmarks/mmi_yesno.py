"""LF-MMI from a flat start on Kaldi's yesno corpus (recipes/yesno.py): words wrong, and seconds, by seed.

    python benchmarks/mmi_yesno.py FOLDER [--seeds 5] [--threads 2] [--folds 0] [--epochs 40 ...]

FOLDER has a manifest.jsonl of the sixty recordings by name. Trained on the first 31, and the last 29 are
recognised, as in Kaldi's recipe. --folds K: of the 31 alone, each K-th recognised by a network of the others;
that is what settings are chosen by. Other options change fields of the recipe's configuration; --seed is the
first of the seeds.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from sonant.cli.train import configure, recipe
from sonant.text import error_rate
from sonant.train import FlatStartMmi
from sonant.train.mmi import read

RECIPE = Path(__file__).parents[1] / "recipes" / "yesno.py"


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options, others = parser.parse_known_args()
    torch.set_num_threads(options.threads)
    config = configure(recipe(str(RECIPE)), ["--data", str(options.folder), *others], "mmi_yesno")
    features, texts = read(config)
    train = range(len(texts) - config.held_out)
    if options.folds:
        parts = [[i for i in train if i % options.folds == fold] for fold in range(options.folds)]
    else:
        parts = [list(range(len(train), len(texts)))]
    print(f"| seed | words wrong | wall s | CPU s, {options.threads} thread(s) |\n|---|---|---|---|")
    rates: list[float] = []
    for seed in range(config.seed, config.seed + options.seeds):
        for part in parts:
            began = time.perf_counter(), time.process_time()
            trainer = FlatStartMmi(replace(config, seed=seed))
            kept = [i for i in train if i not in part]
            trainer.train([features[i] for i in kept], [texts[i] for i in kept], log=lambda _: None)
            took = time.perf_counter() - began[0], time.process_time() - began[1]
            said, heard = [texts[i] for i in part], trainer.recognise([features[i] for i in part])
            rates.append(error_rate(said, heard).rate)
            print(f"| {seed} | {rates[-1]:.2%} | {took[0]:.1f} | {took[1]:.1f} |", flush=True)
            if options.folds:
                for row in zip(said, heard, strict=True):
                    if row[0] != row[1]:
                        print(f"said  {row[0]}\nheard {row[1]}")
    print(f"mean {statistics.mean(rates):.2%}, at most {max(rates):.2%}")


if __name__ == "__main__":
    main()

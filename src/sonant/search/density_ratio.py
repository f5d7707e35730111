"""Low-order density ratio (LODR; Zheng et al. 2022): shallow fusion that takes away what the network has
learnt of its training texts already, as a low-order model of their tokens tells it."""

import math

from sonant.errors import SearchError
from sonant.fst import NgramLm, OnDemand


def density_ratio(lm: NgramLm, source: NgramLm, weight: float) -> OnDemand:
    """A model for `Fusion(tokens, lm=model, symbols=lm.symbols, lm_unit="token", lm_weight=w)`, by which a
    hypothesis scores

        acoustic + w * (ln p of lm - weight * ln p of source)

    so that weight = 0.16 / w takes 0.16 ln p of the source away. Both are of the network's tokens, with one
    table of labels: `NgramLm.read(path, symbols=lm.symbols)`. A token that either has not, where it has no
    <unk>, costs the fusion's `unknown_score`. Raises SearchError for two tables, and for a weight that is
    negative or no number.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise SearchError(f"weight={weight}; expected a finite number, 0 or more")
    if lm.symbols != source.symbols:
        raise SearchError(
            "lm and source have two tables of labels; expected one: NgramLm.read(path, symbols=lm.symbols)"
        )
    return OnDemand.composed(OnDemand.ngram(lm), OnDemand.scaled(-weight, OnDemand.ngram(source)))

"""What is minimised: from a batch of waveforms to the losses of its recordings."""

from dataclasses import dataclass
from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sonant.data import Batch, SpecAugment
from sonant.losses import ctc_loss, rnnt_loss_fused
from sonant.nn import Fbank, Network
from sonant.train.bounds import check
from sonant.train.sub_batches import in_parts


@dataclass(frozen=True)
class LossConfig:
    ctc: float = 1.0
    middle: float = (
        0.3  # on the middle layer: aligned phones if there are any, else CTC (Lee and Watanabe 2021)
    )
    transducer: float = 0.5
    transducer_from: float = 0.0  # part of training before which the transducer is left out, in [0, 1]
    transducer_parts: int = 1  # of a batch, in which the transducer's loss is computed one after the other

    def __post_init__(self):
        check(self, ctc=(0, inf), middle=(0, inf), transducer=(0, inf), transducer_from=(0, 1))
        check(self, transducer_parts=(1, inf))

    @property
    def parts_unused(self) -> bool:
        """Whether there are steps in which a part of the network has no gradient."""
        return self.transducer == 0 or self.transducer_from > 0


Losses = dict[str, tuple[Tensor, Tensor]]  # by name: the sum, and each recording's, without gradient


class Objective(nn.Module):
    """A network with what comes before it and the losses after it."""

    def __init__(self, network: Network, fbank: Fbank, spec_augment: SpecAugment, config: LossConfig):
        super().__init__()
        self.network = network
        self.fbank = fbank
        self.spec_augment = spec_augment
        self.config = config

    def features(self, batch: Batch) -> Tensor:
        """(batch, frames, bins), made by the loader or here."""
        return self.fbank(batch.samples) if batch.features is None else batch.features

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Encoder output, that of the middle layer, and lengths in encoder frames; features are masked in
        training."""
        encoder = self.network.encoder
        with torch.no_grad():
            features = encoder.normalize(self.features(batch))
            lengths = self.fbank.lengths(batch.sample_lengths)
            padding = torch.arange(features.shape[1], device=features.device) >= lengths[:, None]
            features = features.masked_fill(padding[..., None], 0.0)
            if self.training:
                features = self.spec_augment(features, lengths, batch.seeds)
        out, middle = encoder(features, lengths)
        return out, middle, encoder.output_lengths(lengths)

    def forward(self, batch: Batch, transducer: bool) -> Losses:
        """`transducer`: whether it is part of this step."""
        network = self.network
        out, middle, frames = self.encode(batch)
        targets, tokens = batch.targets, batch.target_lengths
        found = {"ctc": ctc_loss(network.ctc(out), targets, frames, tokens)}
        if batch.alignment is None:
            found["middle"] = ctc_loss(network.middle(middle), targets, frames, tokens)
        else:
            found["middle"] = _aligned_loss(
                network.middle(middle), batch.alignment, network.config.encoder.subsampling
            )
        losses = {name: (loss.sum(), loss.detach()) for name, loss in found.items()}
        if transducer:
            losses["transducer"] = self._transducer(out, frames, targets, tokens)
        return losses

    def _transducer(
        self, out: Tensor, frames: Tensor, targets: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        predictor, joiner = self.network.predictor, self.network.joiner
        encoded = joiner.encoder(out[:, : int(frames.max())])
        predicted = joiner.predictor(predictor.prefixes(targets))
        parts = self.config.transducer_parts
        if parts == 1 or not torch.is_grad_enabled():
            each = rnnt_loss_fused(
                encoded, predicted, joiner.after_sum(), targets, frames, tokens, reduction="none"
            )
            return each.sum(), each.detach()

        def loss(part: slice, rows: list[Tensor]) -> Tensor:
            length, said = int(frames[part].max()), int(tokens[part].max())
            return rnnt_loss_fused(
                rows[0][:, :length],
                rows[1][:, : said + 1],
                joiner.after_sum(),
                targets[part, :said],
                frames[part],
                tokens[part],
                reduction="none",
            )

        # In float32, since these gradients are computed before the losses are scaled up for float16.
        weights = [p for p in joiner.output.parameters() if p.requires_grad]
        return in_parts(loss, parts, (encoded.float(), predicted.float()), weights)


def _aligned_loss(logits: Tensor, alignment: Tensor, subsampling: int) -> Tensor:
    """Cross entropy with the label at the middle of each encoder frame, (batch,)."""
    labels = alignment[:, ::subsampling][:, : logits.shape[1]]
    labels = F.pad(labels, (0, logits.shape[1] - labels.shape[1]), value=-1)
    found = F.cross_entropy(logits.float().transpose(1, 2), labels, ignore_index=-1, reduction="none")
    return found.sum(dim=1)

"""Golden values of torchaudio's transducer loss, for tests/losses/test_transducer.py.

PYTHON tests/oracle/make_rnnt_loss_golden.py > tests/losses/golden/rnnt_loss.json      (torchaudio 0.12.1)
"""

import json

import torch
import torchaudio

CASES = [
    ((1, 1, 0, 3), [1], [0], {}),
    ((1, 4, 2, 5), [4], [2], {"blank": 0}),
    ((3, 6, 3, 7), [6, 4, 2], [3, 1, 0], {"blank": 0, "reduction": "none"}),
    ((3, 6, 3, 7), [6, 4, 2], [3, 3, 3], {"reduction": "sum"}),
    ((2, 5, 4, 6), [5, 3], [4, 2], {"blank": 2, "clamp": 0.05, "reduction": "mean"}),
    ((2, 3, 5, 6), [3, 1], [5, 4], {"blank": -1, "reduction": "none"}),
]


def main():
    torch.manual_seed(0)
    found = []
    for (batch, length, most, vocabulary), frames, tokens, options in CASES:
        logits = (torch.randn(batch, length, most + 1, vocabulary) * 2).requires_grad_()
        blank = options.get("blank", -1) % vocabulary
        others = [v for v in range(vocabulary) if v != blank]
        targets = torch.tensor(others)[torch.randint(0, len(others), (batch, most))].int()
        lengths = [torch.tensor(x, dtype=torch.int32) for x in (frames, tokens)]
        loss = torchaudio.functional.rnnt_loss(logits, targets, *lengths, **options)
        loss.sum().backward()
        found.append(
            {
                "logits": logits.tolist(),
                "targets": targets.tolist(),
                "frames": frames,
                "tokens": tokens,
                "options": options,
                "loss": loss.tolist(),
                "gradient": logits.grad.tolist(),
            }
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()

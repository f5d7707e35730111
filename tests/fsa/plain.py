"""Results of k2 code, k2's own or ours, as JSON that can be compared. Runs under Python 3.8 too."""

import torch


def plain(value):
    if isinstance(value, torch.Tensor):
        numbers = value.detach().tolist()
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": numbers}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if type(value).__name__ == "RaggedTensor":
        return {"text": repr(value), "values": plain(value.values)}
    return str(value)

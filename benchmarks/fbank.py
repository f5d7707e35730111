"""Filterbank features of 60 s of real speech at 16 kHz, 80 filters, no dither, on one thread: who is fastest.

    pip install torch --index-url https://download.pytorch.org/whl/cpu   # first: lhotse would bring CUDA's
    pip install kaldi-native-fbank lhotse urllib3                        # lhotse imports urllib3 unasked
    python benchmarks/fbank.py

Peers in the same run, on the same samples: kaldi-native-fbank; lhotse's layer; Kaldi's definition in torch;
and torch.stft, which has no offset and preemphasis by frame and so computes nearly the same. They take turns,
so that whatever else the machine does meets all of them alike. The ratio is of the process's CPU times
(medians), which a busy machine disturbs less than the clock; the clock's are printed too. Every peer's
features are compared with ours, to show that nobody is timed for something else. Then a list of recordings on
two threads, by the clock.
"""

import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from speech import RATE, SECONDS, speech

from sonant.features import Fbank, FbankConfig

BINS = 80
TURNS, LIST = 15, 8

Compute = Callable[[np.ndarray], np.ndarray]


def kaldi_native_fbank() -> Compute:
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = BINS

    def compute(samples: np.ndarray) -> np.ndarray:
        fbank = knf.OnlineFbank(options)
        fbank.accept_waveform(RATE, (samples * 32768).tolist())
        fbank.input_finished()
        return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])

    return compute


def lhotse() -> Compute:
    import torch
    from lhotse.features.kaldi.layers import Wav2LogFilterBank

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on snip_edges, which makes its frames those of the others
        layer = Wav2LogFilterBank(num_filters=BINS, high_freq=0.0, snip_edges=True)

    def compute(samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return layer(torch.from_numpy(samples * 32768)[None])[0].numpy()

    return compute


def mel_filters():
    """The window (400,) and the filters (257, BINS) as torch tensors."""
    import torch

    edges = torch.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(RATE / 2 / 700), BINS + 2)
    mels = 1127 * torch.log1p(torch.arange(257) * (RATE / 512) / 700)
    left, center, right = (edges[i : BINS + i, None] for i in range(3))
    filters = torch.minimum((mels - left) / (center - left), (right - mels) / (right - center)).clamp(min=0)
    return torch.hann_window(400, periodic=False).pow(0.85), filters.T.contiguous()


def torch_definition() -> Compute:
    import torch

    window, filters = mel_filters()
    epsilon = torch.finfo(torch.float32).eps

    def compute(samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            frames = torch.from_numpy(samples * 32768).unfold(0, 400, 160)
            frames = frames - frames.mean(1, keepdim=True)
            previous = torch.cat([frames[:, :1], frames[:, :-1]], 1)
            spectrum = torch.fft.rfft((frames - 0.97 * previous) * window, 512)
            power = spectrum.real.square() + spectrum.imag.square()
            return (power @ filters).clamp(min=epsilon).log().numpy()

    return compute


def torch_stft() -> Compute:
    import torch

    window, filters = mel_filters()
    window = torch.nn.functional.pad(window, (0, 112))
    epsilon = torch.finfo(torch.float32).eps

    def compute(samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            wave = torch.from_numpy(samples * 32768)
            wave = torch.cat([wave[:1] * 0.03, wave[1:] - 0.97 * wave[:-1], wave.new_zeros(112)])
            spectrum = torch.stft(wave, 512, 160, window=window, center=False, return_complex=True).T
            power = spectrum.real.square() + spectrum.imag.square()
            return (power @ filters).clamp(min=epsilon).log().numpy()

    return compute


PEERS: dict[str, tuple[Callable[[], Compute], tuple[str, ...]]] = {
    "kaldi-native-fbank": (kaldi_native_fbank, ("kaldi_native_fbank",)),
    "lhotse": (lhotse, ("lhotse", "torch", "urllib3")),
    "torch.fft.rfft": (torch_definition, ("torch",)),
    "torch.stft": (torch_stft, ("torch",)),
}


def main() -> None:
    modules = sorted({module for _, needed in PEERS.values() for module in needed})
    if absent := [module for module in modules if importlib.util.find_spec(module) is None]:
        names = " ".join(absent).replace("_", "-")
        raise SystemExit(
            f"peers that are not installed: {names}. Install them as this file's first lines say."
        )
    import torch

    torch.set_num_threads(1)
    samples = speech()
    ours = Fbank(FbankConfig(num_mel_bins=BINS, dither=0.0))
    computes: dict[str, Compute] = {"sonant": ours.compute} | {n: make() for n, (make, _) in PEERS.items()}
    expected = ours.compute(samples)
    differences = {name: np.abs(compute(samples) - expected) for name, compute in computes.items()}

    cpu: dict[str, list[float]] = {name: [] for name in computes}
    clock: dict[str, list[float]] = {name: [] for name in computes}
    for _ in range(TURNS):
        for name, compute in computes.items():
            started, used = time.perf_counter(), time.process_time()
            compute(samples)
            cpu[name].append(1e3 * (time.process_time() - used))
            clock[name].append(1e3 * (time.perf_counter() - started))

    print(f"{SECONDS} s of speech, {BINS} filters, one thread, medians of {TURNS} turns")
    print(f"{'':20}{'CPU ms':>9}{'clock ms':>10}{'CPU / ours':>12}{'median |diff|':>15}{'within 1e-3':>13}")
    used = {name: statistics.median(times) for name, times in cpu.items()}
    for name in computes:
        difference, median = differences[name], statistics.median(clock[name])
        print(f"{name:20}{used[name]:9.2f}{median:10.2f}{used[name] / used['sonant']:12.1f}", end="")
        print(f"{np.median(difference):15.1e}{(difference < 1e-3).mean():13.2%}")
    fastest = min(PEERS, key=used.__getitem__)
    print(f"fastest peer ({fastest}) / sonant: {used[fastest] / used['sonant']:.1f}")

    print(f"\n{LIST} x {SECONDS} s on two threads, clock, medians of 3")
    waveforms = [samples] * LIST
    with ThreadPoolExecutor(2) as pool:
        runs: dict[str, Callable[[], object]] = {"sonant": lambda: ours.compute(waveforms, num_threads=2)}
        for name in PEERS:
            runs[name] = lambda compute=computes[name]: list(pool.map(compute, waveforms))
        together: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(3):
            for name, run in runs.items():
                started = time.perf_counter()
                run()
                together[name].append(1e3 * (time.perf_counter() - started))
    medians = {name: statistics.median(times) for name, times in together.items()}
    for name, milliseconds in medians.items():
        print(f"{name:20}{milliseconds:9.1f} ms{milliseconds / medians['sonant']:8.1f} x ours")


if __name__ == "__main__":
    main()

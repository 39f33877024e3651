"""Class posteriors that anyone can rebuild, for comparing CTC decoders (`expected_decode.json`)."""

import numpy as np

KINDS = ("random", "sharp", "medium", "soft")


def posteriors(kind: str, index: int, classes: int, frames: int, seed: int = 0) -> np.ndarray:
    """One sequence of posteriors, (frames, classes) float32, rows sum to 1, blank is class 0.

    "random" is noise; the other kinds follow a path of glosses with blanks between them, ever
    less certain: from nearly one-hot to two or three rivals per frame.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, KINDS.index(kind) * 100_003 + index * 17 + classes]))
    if kind == "random":
        logits = rng.normal(0.0, (1.0, 3.0, 6.0)[index % 3], (frames, classes))
    else:
        peak = {"sharp": 12.0, "medium": 7.0, "soft": 4.5}[kind]
        logits = rng.normal(0.0, 1.0, (frames, classes))
        frame = 0
        while frame < frames:
            gloss = int(rng.integers(1, classes))
            rival = int(rng.integers(1, classes))
            for _ in range(int(rng.integers(1, 4))):
                if frame < frames:
                    logits[frame, gloss] += peak
                    logits[frame, rival] += peak * rng.uniform(0.5, 1.0)
                    logits[frame, 0] += peak * rng.uniform(0.0, 0.9)
                    frame += 1
            for _ in range(int(rng.integers(0, 4))):
                if frame < frames:
                    logits[frame, 0] += peak * rng.uniform(0.8, 1.3)
                    logits[frame, gloss] += peak * rng.uniform(0.0, 0.8)
                    frame += 1
    logits = logits.astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)
    p = np.exp(logits, dtype=np.float32)
    return p / p.sum(axis=1, keepdims=True)


def cases(seed: int, per_kind: int):
    """(name, posteriors) over kinds, vocabularies and lengths."""
    for kind in KINDS:
        for classes in (20, 300, 1297):
            for index in range(per_kind):
                frames = 8 + (index * 7 + classes) % 53
                yield f"{kind}-{classes}-{index}", posteriors(kind, index, classes, frames, seed)

"""One recogniser of several, whose hypotheses are combined; or of one, which sees each clip mirrored too.

recognisers = {path: Recogniser.from_checkpoint(path) for path in ("a.pt", "b.pt")}
print(combine_recognisers(recognisers, ["flip"]).recognise("clip.mp4").glosses)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from evaluation.agreement import check_agreement, check_named_once, check_weights_differ, list_demands
from evaluation.ensemble import FLIP, View, describe_weights, list_views
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import Network, TorchNetwork
from utils.errors import InputError
from utils.precision import use_precision
from utils.text import quote_value


@dataclass(frozen=True)
class CombinedNetwork:
    """Networks for one clip at a time, called as one; `evaluation.decode.decode_members` says what is made of it.

    Attributes:
        networks: the networks, in PyTorch or onnxruntime, which compute one after the other.
        views: what each of them sees; a network may have several. The first one is the first network's own.
    """

    networks: tuple[Network, ...]
    views: tuple[View, ...]

    def __call__(self, video: np.ndarray) -> np.ndarray:
        """What each view gives of frames (T, 3, S, S) uint8 -> (M, T', V) float32."""
        frames = torch.tensor(video)
        logits = [self.networks[view.network](view.apply(frames).contiguous().numpy()) for view in self.views]
        return np.stack(logits)


def combine_recognisers(
    recognisers: Mapping[str, Recogniser], tta: Collection[str] = ()
) -> Recogniser[CombinedNetwork]:  # fmt: skip
    """Make one recogniser of several.

    Decoder, rules and calibration are those of the first one, and so is TF32 on CUDA, which is switched for the whole
    process. A clip is doubted by what the first network gives of it, and confidences become probabilities by the curve
    that was fitted for the first network alone.

    Args:
        recognisers: by their files, the recognisers; of one vocabulary, frame rate, temporal chain and size of frames.
        tta: `["flip"]` lets each network see the mirrored clip too.

    Raises:
        CheckpointError: they cannot be combined, or are the same network; names the files and what differs.
        InputError: there is none, or `tta` names something else, or one thing twice.
    """
    if not recognisers:
        raise InputError("there is no recogniser to combine")
    if list(tta) not in ([], [FLIP]):
        raise InputError(f"tta is {quote_value(list(tta))}; it names flip once, or nothing")
    names = list(map(str, recognisers))
    check_named_once(names)
    members = list(recognisers.values())
    first = members[0]
    check_agreement([
        list_demands(name, of.vocabulary.glosses, of.config, of.frame_rate, of.frame_size)
        for name, of in zip(names, members, strict=True)
    ])  # fmt: skip
    networks = zip(names, [of.network for of in members], strict=True)
    check_weights_differ({name: of.model for name, of in networks if isinstance(of, TorchNetwork)})
    sides = [of.config.feeder_args.input_size for of in members]
    whole = max(sides)
    views = list_views(sides, whole, first.transform.size, tta)
    if isinstance(first.network, TorchNetwork):  # else the one that was loaded last would have switched it
        use_precision(first.config.precision, first.network.model.device)
    return Recogniser(
        network=CombinedNetwork(tuple(of.network for of in members), views),
        config=replace(first.config, feeder_args=replace(first.config.feeder_args, input_size=whole)),
        vocabulary=first.vocabulary,
        frame_size=first.frame_size,
        frame_rate=first.frame_rate,
        calibration=first.calibration,
        rendered=any(of.rendered for of in members),
        combined=describe_weights(names, tta),
    )

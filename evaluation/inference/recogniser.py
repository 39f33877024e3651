"""A trained network from Python: frames in, glosses with times and confidences out.

recogniser = Recogniser.from_checkpoint("work_dir/quickstart/best.pt")
print(recogniser.recognise("clip.mp4").glosses)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from config.load import nest_overrides, parse_stored_config, to_dict
from config.published import find_config
from config.schema import Config
from dataset.crop import crop_and_resize
from dataset.frame_rate import DEFAULT_FRAME_RATE, choose_frame_rate, is_same_rate
from dataset.frames import FrameError, resize_frame
from dataset.sampling import sample_at_rate, sample_every_frame
from dataset.transforms import Transform
from dataset.video import open_video
from dataset.vocabulary import Vocabulary
from evaluation.calibration import Calibration, measure_energy, measure_motion, read_calibration
from evaluation.ctc.posteriors import check_finite
from evaluation.ctc.words import build_words, merge_repeats
from evaluation.decode import Decoder, decode_members, make_decoder
from evaluation.inference.recognition import Alternative, Recognition
from evaluation.inference.torch_network import Network, TorchNetwork
from evaluation.shallow_fusion import build_fusion
from slr_network import load_model
from utils.checkpoint import CheckpointError, load_checkpoint
from utils.device import move_to_device, select_device, set_device
from utils.precision import use_precision
from utils.temporal import TemporalSpec

PUBLISHED_FRAME_SIZE = 256  # the side of the frames that published networks saw; their checkpoints do not say it


AnyNetwork = TypeVar("AnyNetwork", bound=Network)


@dataclass(frozen=True)
class Recogniser(Generic[AnyNetwork]):
    """Reads clips one by one, with the transform, decoder and rules of the evaluation.

    Attributes:
        network: a function of cropped frames (T, 3, S, S) uint8 RGB that gives the sequence head's logits (T', V),
            or of several networks that read together (M, T', V).
        config: the configuration of the training.
        vocabulary: ids to glosses.
        frame_size: the side in pixels at which frames are read before the crop.
        frame_rate: the frames a second of the clips that it was trained on.
        calibration: what was measured on dev; None for networks of older versions, whose confidences stay shares of
            the n-best list.
        rendered: whether it was trained on the built-in corpus, which holds no sign language.
        combined: whose hypotheses are combined, in words; nothing where one network sees each clip once.
    """

    network: AnyNetwork
    config: Config
    vocabulary: Vocabulary
    frame_size: int
    frame_rate: float = DEFAULT_FRAME_RATE
    calibration: Calibration | None = None
    rendered: bool = False
    combined: str = ""

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "auto",
        config: Config | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> Recogniser[TorchNetwork]:
        """Load the network in a checkpoint, with all it needs.

        On CUDA this switches TF32 on or off for the whole process, as the configuration's `precision` says.

        Args:
            path: a checkpoint of this project, which holds configuration and glosses, or a published one.
            device: the device's name, as for `select_device`.
            config: the configuration, for a checkpoint that holds none; its network is the one that the weights tell.
            vocabulary: the glosses of a checkpoint that holds none.

        Raises:
            CheckpointError: it cannot be read, it holds no configuration or glosses and none were given, it was trained
                on other glosses than those given, or its weights do not fit.
        """
        content = load_checkpoint(path)
        config = find_config(content, path, config)
        vocabulary = choose_vocabulary(content, path, vocabulary)
        model = load_model(content, config.model_args, vocabulary.glosses, name=path)
        model.frame_chunk = config.frame_chunk
        chosen = select_device(device)
        set_device(chosen)
        model = move_to_device(model, chosen).eval()
        use_precision(config.precision, model.device)
        size = content.get("frame_size", PUBLISHED_FRAME_SIZE)
        rate = choose_frame_rate(config.frame_rate, content.get("frame_rate"))
        known, rendered = read_calibration(content), content.get("rendered", False)
        return Recogniser(TorchNetwork(model, config.precision), config, vocabulary, size, rate, known, rendered)

    @classmethod
    def from_pretrained(cls, source: str | Path, device: str = "auto") -> Recogniser[TorchNetwork]:
        """Load a network that brings all it needs: a checkpoint of this project, a model folder, or a repository.

        Args:
            source: the file or folder, or `owner/name` or `owner/name@revision` on the Hugging Face Hub.
            device: the device's name, as for `select_device`.

        Raises:
            CheckpointError: it cannot be had or read, or holds no configuration or glosses.
        """
        return cls.from_checkpoint(source, device)

    @property
    def transform(self) -> Transform:
        """What the evaluation does to frames."""
        return Transform(self.config.feeder_args, self.frame_size, training=False)

    @cached_property
    def decoder(self) -> Decoder:
        """The decoder of the configuration, the built-in one; raises InputError if its language model cannot be had."""
        fusion = build_fusion(self.config, self.vocabulary)
        return make_decoder("builtin", self.config.decode_mode, self.config.beam_width, fusion)

    def with_decoding(self, **keys: Any) -> Recogniser[AnyNetwork]:
        """The same network with other settings of the beam search, by their keys in the configuration (lm=None: none).

        Raises:
            ConfigError: a value is not allowed, or does not go with the others.
        """
        given = to_dict(self.config) | nest_overrides(keys, [])
        return replace(self, config=parse_stored_config(given, "what was given"))

    def without_merging(self) -> Recogniser[AnyNetwork]:
        """The same network for windows, whose repeats are merged once windows are joined: merged before, a gloss that
        goes on past the edge of a window would keep only the part that this window saw."""
        return replace(self, config=replace(self.config, merge_repeats=False))

    @property
    def slot_rate(self) -> float:
        """The frames a second that the network sees."""
        return self.frame_rate / self.config.feeder_args.frame_interval

    @property
    def slot_seconds(self) -> float:
        """The seconds from one frame that the network sees to the next."""
        return self.config.feeder_args.frame_interval / self.frame_rate

    def crop(self, frames: np.ndarray) -> np.ndarray:
        """Crop frames (T, H, W, 3) uint8 RGB of any size to what the network sees of them: (T', 3, S, S) uint8."""
        plan = self.transform.plan(len(frames), np.random.default_rng())  # evaluation uses no random numbers
        # First to the size of prepared frames, even where `image_scale` changes it again: frames of the training were
        # resized twice as well, and resizing once gives other pixels.
        prepared = (resize_frame(frames[index], self.frame_size) for index in plan.indices)
        resized = np.stack([resize_frame(frame, plan.size) for frame in prepared])
        return self.transform.apply(resized, plan)

    def recognise(self, frames: np.ndarray | str | Path) -> Recognition:
        """Read one clip, all of it at once; for long videos use `transcribe`, which samples them or cuts them into
        windows.

        Args:
            frames: uint8 (T, H, W, 3) RGB at the frame rate of the training, or a folder of images of that rate, or a
                video file, of which the frames nearest to that rate are taken if it has another one.

        Raises:
            FrameError: the file or folder cannot be read, or the array is of another kind.
            RecognitionError: the network's output is not finite.
        """
        if not isinstance(frames, np.ndarray):
            video = open_video(frames, self.frame_rate)
            same = is_same_rate(video.rate, self.frame_rate)
            sampling = sample_every_frame(video.times) if same else sample_at_rate(video.times, self.frame_rate)
            frames = np.stack([crop_and_resize(frame, self.frame_size) for frame in video.frames(sampling.indices)])
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise FrameError(
                f"frames are {frames.dtype} {frames.shape}; they must be uint8 (T, H, W, 3), RGB from 0 to 255, at "
                "least one"
            )
        return self.recognise_cropped(self.crop(frames))

    def recognise_cropped(self, seen: np.ndarray, name: str = "this clip") -> Recognition:
        """Read one clip whose frames `crop` or the transform of a data set has cropped.

        Args:
            seen: what the network sees, (T, 3, S, S) uint8.
            name: what the error calls the clip.

        Raises:
            FrameError: the array is of another kind or size, or has no frame.
            RecognitionError: the network's output is not finite.
        """
        side = self.config.feeder_args.input_size
        if seen.dtype != np.uint8 or seen.ndim != 4 or seen.shape[1:] != (3, side, side) or not len(seen):
            raise FrameError(
                f"{name} is {seen.dtype} {seen.shape}; it must be uint8 (T, 3, {side}, {side}), at least one frame"
            )
        return self.recognise_logits(self.network(seen), seen, name)

    def recognise_logits(self, logits: np.ndarray, seen: np.ndarray, name: str = "this clip") -> Recognition:
        """Read one clip of which the network's logits have been computed.

        Args:
            logits: (T', V) or (M, T', V) float32, as `network` gives them.
            seen: the frames that they are of, as for `recognise_cropped`.
            name: what the error calls the clip.

        Raises:
            RecognitionError: the logits are not finite.
        """
        config = self.config
        check_finite(logits, name)
        members = logits.reshape(-1, *logits.shape[-2:])  # (M, T', V), M = 1 of one network
        posteriors = torch.from_numpy(members).float().softmax(-1).numpy()
        hypotheses = decode_members(self.decoder, posteriors[:, None], np.array([posteriors.shape[1]]))[0]
        stride = TemporalSpec(config.model_args.conv_type).stride
        words = build_words(hypotheses[0], posteriors.mean(0), self.vocabulary, stride, len(seen), self.slot_seconds)
        nbest = tuple(Alternative(tuple(self.vocabulary.decode(h.tokens)), h.score) for h in hypotheses)
        doubts: tuple[str, ...] = ()
        if self.calibration is not None:
            # It is the first network's, whose energy it knows.
            doubts = self.calibration.find_doubts(measure_energy(members[0]), measure_motion(seen))
            words = tuple(self.calibration.adjust_word(word, bool(doubts)) for word in words)
        return Recognition(merge_repeats(words) if config.merge_repeats else words, nbest, len(seen), doubts)


def choose_vocabulary(content: Mapping[str, Any], path: str | Path, given: Vocabulary | None) -> Vocabulary:
    """Choose the glosses in a checkpoint, else those given; where there are both, they must be the same."""
    if "glosses" not in content:
        if given is None:
            raise CheckpointError(f"{path} holds no glosses: give the dictionary that it was trained on (--dict)")
        return given
    stored = Vocabulary(content["glosses"], source=str(path))
    if given is not None and given != stored:
        raise CheckpointError(
            f"{path} holds its own {len(stored)} glosses, and the {len(given)} of {given.source} are others, or in "
            "another order: it was not trained on that dictionary, and needs none (leave out --dict)"
        )
    return stored

"""A trained network as a person with one video wants it: frames in, glosses with times and confidences out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from config.load import parse_stored_config
from config.schema import Config
from dataset.batch import Batch, Collate, Sample
from dataset.crop import crop_and_resize
from dataset.frames import FrameError, resize_frame
from dataset.transforms import Transform
from dataset.video import open_video
from dataset.vocabulary import Vocabulary
from evaluation.ctc.posteriors import check_finite
from evaluation.ctc.words import build_words, merge_repeats
from evaluation.ctm import CtmWord
from evaluation.decode import Decoder, make_decoder
from slr_network import SLRModel, fuse_for_inference, load_model
from utils.checkpoint import CheckpointError, load_checkpoint
from utils.device import select_device, select_dtype
from utils.temporal import TemporalSpec

PUBLISHED_FRAME_SIZE = 256  # of the frames that published networks saw; their checkpoints do not say it


@dataclass(frozen=True)
class Alternative:
    """One of the n-best: glosses as CTC spells them, and -log p."""

    glosses: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Recognition:
    """What was read in a clip.

    Attributes:
        words: glosses with start and duration in seconds of the clip, and confidence.
        nbest: the hypotheses of the beam, best first.
        frames: that the network saw.
    """

    words: tuple[CtmWord, ...]
    nbest: tuple[Alternative, ...]
    frames: int

    @property
    def glosses(self) -> tuple[str, ...]:
        """The glosses alone."""
        return tuple(word.gloss for word in self.words)


@dataclass(frozen=True)
class Recogniser:
    """Reads clips one by one, with the transform, decoder and rules of the evaluation.

    Attributes:
        network: frames (T, 3, H, W) uint8 RGB, cropped -> logits (T', V) of the sequence head.
        config: of the training.
        vocabulary: ids to glosses.
        frame_size: side at which frames are read before the crop.
    """

    network: Callable[[np.ndarray], np.ndarray]
    config: Config
    vocabulary: Vocabulary
    frame_size: int

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        device: str = "auto",
        config: Config | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> Recogniser:
        """The network in a checkpoint, with all it needs.

        Args:
            path: a checkpoint of this project, which holds configuration and glosses, or a published one.
            device: as for `select_device`.
            config: for a checkpoint that holds none; one that does goes by its own.
            vocabulary: for a checkpoint that holds no glosses.

        Raises:
            CheckpointError: unreadable, it lacks what was not given either, it was trained on other glosses than were
                given, or its weights do not fit.
        """
        content = load_checkpoint(path)
        if "config" in content:
            config = parse_stored_config(content["config"], path)
        if config is None:
            raise CheckpointError(f"{path} holds no configuration: say which network it is of (--language)")
        vocabulary = stored_vocabulary(content, path, vocabulary)
        model = load_model(content, config.model_args, vocabulary.glosses, name=path)
        model.frame_chunk = config.frame_chunk
        model = model.to(select_device(device)).eval()
        return cls(
            TorchNetwork(model, config.precision), config, vocabulary, content.get("frame_size", PUBLISHED_FRAME_SIZE)
        )

    @property
    def transform(self) -> Transform:
        """What the evaluation does to frames."""
        return Transform(self.config.feeder_args, self.frame_size, training=False)

    @cached_property
    def _decoder(self) -> Decoder:
        return make_decoder("builtin", self.config.decode_mode, self.config.beam_width)

    def crop(self, frames: np.ndarray) -> np.ndarray:
        """What the network sees of frames (T, H, W, 3) uint8 RGB of any size: (T', 3, S, S) uint8.

        They go through the size of prepared frames, as those of the training did.
        """
        plan = self.transform.plan(len(frames), np.random.default_rng())  # draws nothing in evaluation
        prepared = (resize_frame(frames[index], self.frame_size) for index in plan.indices)
        resized = np.stack([resize_frame(frame, plan.size) for frame in prepared])
        return self.transform.apply(resized, plan)

    def recognise(self, frames: np.ndarray | str | Path) -> Recognition:
        """Read one clip.

        Args:
            frames: uint8 (T, H, W, 3) RGB at the frame rate of the training, or a video file or folder of images of
                that rate; all of it is read at once (`evaluation.inference.transcribe` samples or cuts what is long).

        Raises:
            FrameError: the file or folder cannot be read, or the array is of another kind.
            RecognitionError: the network's output is not finite.
        """
        if not isinstance(frames, np.ndarray):
            video = open_video(frames, self.config.frame_rate)
            every = video.frames(range(video.num_frames))
            frames = np.stack([crop_and_resize(frame, self.frame_size) for frame in every])
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames):
            raise FrameError(
                f"frames are {frames.dtype} {frames.shape}; they must be uint8 (T, H, W, 3), RGB from 0 to 255, at "
                "least one"
            )
        return self.read(self.crop(frames))

    def read(self, seen: np.ndarray, name: str = "this clip") -> Recognition:
        """Read one clip as the network sees it, (T, 3, S, S) uint8, which `crop` gives; `name` is for the error.

        Raises:
            RecognitionError: the network's output is not finite.
        """
        config = self.config
        logits = self.network(seen)  # (T', V)
        check_finite(logits, name)
        posteriors = torch.from_numpy(logits).float().softmax(-1).numpy()
        hypotheses = self._decoder(posteriors[None], np.array([len(posteriors)]))[0]
        stride = TemporalSpec(config.model_args.conv_type).stride
        seconds = config.feeder_args.frame_interval / config.frame_rate
        words = build_words(hypotheses[0], posteriors, self.vocabulary, stride, len(seen), seconds)
        nbest = tuple(Alternative(tuple(self.vocabulary.decode(h.tokens)), h.score) for h in hypotheses)
        return Recognition(merge_repeats(words) if config.merge_repeats else words, nbest, len(seen))


@dataclass(frozen=True)
class TorchNetwork:
    """The network for one clip at a time, on the device of its weights, in `precision` as for `select_dtype`."""

    model: SLRModel
    precision: str = "fp32"

    @cached_property
    def _fused(self) -> SLRModel:
        return fuse_for_inference(self.model, select_dtype(self.precision, self.model.conv2d.alpha.device))

    def batch(self, video: np.ndarray) -> Batch:
        """Frames (T, 3, H, W) uint8 as a padded batch of one clip, on the device."""
        return Collate(self.model.spec)([Sample("", video, ())]).to(self.model.conv2d.alpha.device)

    @torch.inference_mode()
    def __call__(self, video: np.ndarray) -> np.ndarray:
        """Frames (T, 3, H, W) uint8 -> logits (T', V) float32 of the sequence head."""
        batch = self.batch(video)
        return self._fused(batch.video, batch.lengths).sequence_logits[:, 0].float().cpu().numpy()


def stored_vocabulary(content: Mapping[str, Any], path: str | Path, given: Vocabulary | None) -> Vocabulary:
    """The glosses in a checkpoint, else those given; both must be the same."""
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

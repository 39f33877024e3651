"""Reading the clips that a person names, with a report on each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2

from config.load import load_config
from dataset.legacy import load_dictionary
from dataset.video import open_video
from evaluation.inference.onnx_network import load_onnx
from evaluation.inference.outputs import Outputs
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import Reading, transcribe
from evaluation.inference.transcript import Transcript, save_all
from utils.checkpoint import CheckpointError
from utils.errors import InputError, is_out_of_memory
from utils.table import format_table

FOR_OTHER_PROGRAMS = {".ts", ".pt2"}  # what engine.export writes as TorchScript and torch.export


def load_recogniser(path: Path, device: str, dataset: str | None, dictionary: Path | None) -> Recogniser:
    """The network in a checkpoint, or in a file that `engine.export` wrote as ONNX.

    Args:
        path: the file; one ending in `.onnx` holds all that is needed, and runs on the CPU.
        device: as for `select_device`.
        dataset: corpus whose configuration checkpoints have that hold none.
        dictionary: for checkpoints that hold no glosses.

    Raises:
        CheckpointError, OnnxError, VocabularyError, InputError: what was given does not serve.
    """
    if path.suffix.lower() in FOR_OTHER_PROGRAMS:
        raise CheckpointError(
            f"{path} was exported for other programs: give the checkpoint that it was made from, or export as onnx"
        )
    if path.suffix.lower() == ".onnx":
        if dataset or dictionary or device not in {"auto", "cpu"}:
            print(
                f"warning: {path} holds all that it needs and runs on the CPU: --device, --language, --dict are ignored"
            )
        return load_onnx(path)
    config = load_config(None, {"dataset": dataset})[0] if dataset else None
    recogniser = Recogniser.from_checkpoint(path, device, config, load_dictionary(dictionary) if dictionary else None)
    if dataset and recogniser.config.dataset != dataset:
        print(f"warning: {path} was trained on {recogniser.config.dataset}, so its own configuration counts")
    return recogniser


def read_clips(
    recogniser: Recogniser, clips: Mapping[str, Path], reading: Reading, outputs: Outputs, nbest: int = 0,
    allow_truncated: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Read clips one after the other, print what is in them and write the files.

    Args:
        recogniser: the network.
        clips: by name.
        reading: how.
        outputs: the files.
        nbest: how many guesses to print.
        allow_truncated: as for `open_video`.

    Returns:
        by clip or file, why it could not be read or written; all others were, also those before an interruption.
    """
    failures: dict[str, str] = {}
    transcripts: list[Transcript] = []
    try:
        for name, path in clips.items():
            try:
                video = open_video(path, recogniser.config.frame_rate, allow_truncated)
                transcripts.append(transcribe(recogniser, video, reading, name))
                print(report(transcripts[-1], nbest))
                print(*outputs.write(transcripts[-1], video), sep="\n", flush=True)
            except Exception as error:
                failures[name] = explain(error, reading)  # the clips after it can still be read
    finally:
        for file in outputs.together if transcripts else ():
            try:
                older = save_all(transcripts, file)
                count = f" with {len(transcripts)} of {len(clips)} clips" * (len(transcripts) < len(clips))
                print(f"saved {file}{count}{f', the older one is now {older}' if older else ''}")
            except (InputError, OSError) as error:
                failures[file] = str(error)
    return failures


def explain(error: Exception, reading: Reading) -> str:
    """Why a clip could not be read, for the person who asked; raises what is a mistake of this program."""
    if isinstance(error, (InputError, OSError)):
        return str(error)
    if is_out_of_memory(error):
        whole = "" if reading.windows else "; with --window all of it is read nevertheless"
        return f"memory ran out: lower --max_frames_num, now {reading.max_frames} frames at once{whole}"
    if isinstance(error, cv2.error):
        return f"OpenCV cannot read it: {error}"
    raise error


def report(transcript: Transcript, nbest: int = 0) -> str:
    """A transcript as a person reads it: what was done to the video, its glosses, and the best guesses.

    Args:
        transcript: of one clip.
        nbest: how many of the guesses for each stretch of the video.
    """
    count = f"{transcript.frames} frame{'s' * (transcript.frames != 1)}"
    lines = [f"{transcript.name}: {count}, {transcript.rate:.4g} a second, {transcript.duration:.2f} s"]
    lines += [f"  {note}" for note in transcript.notes]
    rows = [
        [
            word.gloss,
            f"{word.start:.2f}",
            f"{word.start + word.duration:.2f}",
            "-" if word.confidence is None else f"{word.confidence:.2f}",
        ]
        for word in transcript.words
    ]
    lines.append(format_table(["gloss", "start", "end", "confidence"], rows) if rows else "no gloss was recognised")
    if nbest:
        lines += _best(transcript, nbest)
    return "\n".join(lines)


def _best(transcript: Transcript, nbest: int) -> list[str]:
    lines = []
    for start, end in dict.fromkeys((guess.start, guess.end) for guess in transcript.nbest):
        guesses = [guess for guess in transcript.nbest if (guess.start, guess.end) == (start, end)][:nbest]
        head = f"{len(guesses)} best from {start:.2f} to {end:.2f} s"
        rows = [[" ".join(guess.glosses) or "(nothing)", f"{guess.score:.2f}"] for guess in guesses]
        lines.append(format_table([head, "-log p"], rows))
    return lines

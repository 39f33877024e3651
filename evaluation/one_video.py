"""Reading the clips that a person names, with a report on each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.load import load_config
from dataset.legacy_vocabulary import load_dictionary
from dataset.video import open_video
from evaluation.evaluate import FRAME_RATE
from evaluation.onnx_network import load_onnx
from evaluation.outputs import Outputs
from evaluation.recogniser import Recogniser
from evaluation.transcribe import Reading, transcribe
from evaluation.transcript import Transcript
from utils.errors import InputError
from utils.table import table


def load_recogniser(path: Path, device: str, dataset: str | None, dictionary: Path | None) -> Recogniser:
    """The network in a checkpoint, or in a file that `engine.export` wrote as ONNX.

    Args:
        path: the file; one ending in `.onnx` holds all that is needed, and runs on the CPU.
        device: as for `select_device`.
        dataset: corpus whose configuration checkpoints have that hold none.
        dictionary: for checkpoints that hold no glosses.

    Raises:
        CheckpointError, OnnxError, VocabularyError, DeviceError: what was given does not serve.
    """
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
        by name, the message of each clip that could not be read; the others were.

    Raises:
        FormatError, OSError: the file that holds all clips cannot be written.
    """
    failures: dict[str, str] = {}
    transcripts = []
    for name, path in clips.items():
        try:
            video = open_video(path, FRAME_RATE, allow_truncated)
            transcript = transcribe(recogniser, video, reading, name)
            print(report(transcript, nbest))
            print(*outputs.write(transcript, video), sep="\n", flush=True)
        except (InputError, OSError) as error:
            failures[name] = str(error)
            continue
        transcripts.append(transcript)
    if transcripts:
        for line in outputs.write_together(transcripts):
            print(line)
    return failures


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
    lines.append(table(["gloss", "start", "end", "confidence"], rows) if rows else "no gloss was recognised")
    if nbest:
        lines += _best(transcript, nbest)
    return "\n".join(lines)


def _best(transcript: Transcript, nbest: int) -> list[str]:
    lines = []
    for start, end in dict.fromkeys((guess.start, guess.end) for guess in transcript.nbest):
        guesses = [guess for guess in transcript.nbest if (guess.start, guess.end) == (start, end)][:nbest]
        head = f"{len(guesses)} best from {start:.2f} to {end:.2f} s"
        rows = [[" ".join(guess.glosses) or "(nothing)", f"{guess.score:.2f}"] for guess in guesses]
        lines.append(table([head, "-log p"], rows))
    return lines

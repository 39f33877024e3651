"""Reading the clips that a person names, one after the other, with a report on each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from config.decoding import put_decoding_in
from config.load import load_config, nest_overrides
from config.schema import FUSED
from dataset.legacy import load_dictionary
from dataset.video import open_video
from evaluation.agreement import check_named_once
from evaluation.compile_decoder import compile_decoder
from evaluation.inference.combine import combine_recognisers
from evaluation.inference.formats import save_ctm
from evaluation.inference.notes import UNCALIBRATED
from evaluation.inference.outputs import Outputs, describe_saved
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from evaluation.inference.transcript import Transcript
from evaluation.shallow_fusion import describe_fusion
from utils.checkpoint import CheckpointError
from utils.errors import InputError, describe_out_of_memory
from utils.table import format_table
from utils.text import plural

FOR_OTHER_PROGRAMS = {".ts", ".pt2"}  # what engine.export writes as TorchScript and torch.export

CALIBRATED_OTHERWISE = (
    "note: confidences were calibrated for the decoding of the training: with this one they are near what they say"
)


def load_chosen(args: argparse.Namespace, languages: Mapping[str, str]) -> Recogniser:
    """Load the networks that a command line names by the options of `add_network_options` and `add_decoding_options`.

    Args:
        args: the command line.
        languages: the corpus of each choice of --language.

    Raises:
        InputError: as `load_recogniser` does.
    """
    decoding = {key: vars(args)[key] for key in ("decoding", "lm", "lm_weight") if vars(args)[key] is not None}
    return load_recogniser(args.model_path, args.device, languages.get(args.language), args.dict, args.tta, decoding)


def load_recogniser(
    paths: Sequence[Path],
    device: str,
    dataset: str | None,
    dictionary: Path | None,
    tta: Sequence[str] = (),
    decoding: Mapping[str, Any] | None = None,
) -> Recogniser:
    """Load the network in a checkpoint, or in a file that `engine.export` wrote as ONNX; or several, to be combined.

    Args:
        paths: the files; one ending in `.onnx` holds all that is needed, and runs on the CPU.
        device: the device's name, as for `select_device`.
        dataset: the corpus whose configuration is used if a checkpoint holds none.
        dictionary: the file of the glosses for a checkpoint that holds none.
        tta: as for `combine_recognisers`.
        decoding: keys of the beam search that count over the configuration's: lm, lm_weight, and decoding, the file of
            further ones.

    Raises:
        InputError: what was given does not serve. It is a CheckpointError, ConfigError or VocabularyError where it is
            about a checkpoint, the corpus's configuration or the dictionary.
    """
    check_named_once(paths)
    notes: list[str] = []
    keys = put_decoding_in(nest_overrides(decoding or {}, []), notes)
    loaded = {str(path): _load(path, device, dataset, dictionary) for path in paths}
    recogniser = combine_recognisers(loaded, tta) if tta or len(loaded) > 1 else loaded[str(paths[0])]
    if keys:
        of_beam = any(keys.get(key) for key in (*FUSED, "beam_width"))
        mode = "beam" if of_beam else recogniser.config.decode_mode
        recogniser = recogniser.with_decoding(decode_mode=mode, decode_backend="builtin", **keys)
        notes += [CALIBRATED_OTHERWISE] if recogniser.calibration else []
    compile_decoder(recogniser.decoder)
    for line in [*notes, *describe_fusion(recogniser.config, recogniser.vocabulary)]:
        print(line)
    return recogniser


def _load(path: Path, device: str, dataset: str | None, dictionary: Path | None) -> Recogniser:
    if path.suffix.lower() in FOR_OTHER_PROGRAMS:
        raise CheckpointError(
            f"{path} was exported for other programs: give the checkpoint that it was made from, or export as onnx"
        )
    if path.suffix.lower() == ".onnx":
        from evaluation.inference.onnx_network import load_onnx  # noqa: PLC0415  it brings onnxruntime

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
        clips: the clips' paths by their names.
        reading: how the clips are read.
        outputs: the files to write.
        nbest: the number of guesses to print.
        allow_truncated: whether to read what is there of files that are cut short or damaged.

    Returns:
        the error messages, by the name of the clip that could not be read or of the file that could not be written. All
        others were read and written, also those before an interruption.
    """
    failures: dict[str, str] = {}
    transcripts: list[Transcript] = []
    if recogniser.calibration is None:
        print(UNCALIBRATED)
    try:
        for name, path in clips.items():
            try:
                video = open_video(path, recogniser.frame_rate, allow_truncated)
                transcripts.append(transcribe(recogniser, video, reading, name))
                lines = [format_transcript(transcripts[-1], nbest)]
                try:
                    lines += outputs.write_clip(transcripts[-1], video)
                finally:  # after the files, since printing can fail as well
                    print(*lines, sep="\n", flush=True)
            except Exception as error:
                failures[name] = describe_reading_error(error, reading)  # the clips after it can still be read
    finally:
        # Whatever stops the loop, the user included: what was read until then is saved.
        if transcripts:
            failures |= _save_shared_files(transcripts, outputs, len(clips))
    return failures


def _save_shared_files(transcripts: Sequence[Transcript], outputs: Outputs, wanted: int) -> dict[str, str]:
    """Write the files that hold all clips; returns why one could not be written, by its name."""
    failures = {}
    count = "" if len(transcripts) == wanted else f" with {len(transcripts)} of {wanted} clips"
    for file in outputs.shared_files:
        try:
            print(describe_saved(file, save_ctm(transcripts, file), count))
        except (InputError, OSError) as error:
            failures[file] = str(error)
    return failures


def describe_reading_error(error: Exception, reading: Reading) -> str:
    """Say for the user why a clip could not be read.

    Raises:
        Exception: `error` itself if it is a mistake of this program, whose traceback is needed.
    """
    if isinstance(error, (InputError, OSError)):
        return str(error)
    if said := describe_out_of_memory(error):
        whole = "" if reading.windows else "; without --sample all of it is read nevertheless"
        return f"{said}: lower --max_frames_num, now {reading.max_frames} frames at once{whole}"
    if isinstance(error, cv2.error):
        return f"OpenCV cannot read it: {error}"
    raise error


def format_transcript(transcript: Transcript, nbest: int = 0) -> str:
    """Format a transcript for reading: what was done to the video, its glosses, and the best guesses.

    Args:
        transcript: the transcript of one clip.
        nbest: the number of guesses for each stretch of the video.
    """
    count = plural(transcript.frames, "frame")
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
        lines += _format_guesses(transcript, nbest)
    return "\n".join(lines)


def _format_guesses(transcript: Transcript, nbest: int) -> list[str]:
    """A table of guesses for each stretch of the video."""
    lines = []
    for start, end in dict.fromkeys((guess.start, guess.end) for guess in transcript.nbest):
        guesses = [guess for guess in transcript.nbest if (guess.start, guess.end) == (start, end)][:nbest]
        head = f"{len(guesses)} best from {start:.2f} to {end:.2f} s"
        rows = [[" ".join(guess.glosses) or "(nothing)", f"{guess.score:.2f}"] for guess in guesses]
        lines.append(format_table([head, "-log p"], rows))
    return lines

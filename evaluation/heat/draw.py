"""Drawing heat: its colours over every frame, a contact sheet with the glosses below the frames, and a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dataset.write_video import HIGHEST_RATE, write_video
from evaluation.ctm import CtmWord
from evaluation.heat.contact_sheet import ContactSheet, Pictures
from evaluation.heat.shown_clip import HeatMap, Region, ShownClip
from evaluation.inference.overlay import BACKGROUND, NARROWEST, Band
from utils.files import atomic_path
from utils.fonts import Font, find_font
from utils.text import plural

FRAMES, SHEET, VIDEO = "frames", "contact_sheet.png", "heat.mp4"
FRAME_NAME = "frame{:04d}.png"
# Inferno grows lighter from end to end, so that it is read right in print and by people who do not see all colours.
COLOURS = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], cv2.COLORMAP_INFERNO)[0, :, ::-1]  # (256, 3) RGB
OPAQUE = 0.85  # how much of the colour the hottest places have; the hand under it must stay visible
UNSEEN = 0.55  # the brightness of what lies outside the part that the network sees


def lay_heat_over(picture: np.ndarray, heat: np.ndarray, region: Region) -> np.ndarray:
    """Lay heat over a picture; cold places show the picture as it is.

    Args:
        picture: (H, W, 3) uint8 RGB.
        heat: (h, w) from 0 to 1; it is enlarged linearly.
        region: left, top, right, bottom of the part of the picture that the heat is of; all else is darkened.
    """
    left, top, right, bottom = region
    image = picture * UNSEEN
    part = picture[top:bottom, left:right]
    heat = cv2.resize(heat.astype(np.float32), (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    colour = COLOURS[np.rint(heat * 255).astype(int)]
    share = OPAQUE * heat[..., None]
    image[top:bottom, left:right] = (1 - share) * part + share * colour
    return np.rint(image).astype(np.uint8)


@dataclass(frozen=True)
class HeatedPictures:
    """The T pictures of a clip under its heat.

    Each is drawn when it is asked for, since all at once would take as much memory again as the pictures themselves.
    """

    clip: ShownClip
    heat_map: HeatMap

    def __len__(self) -> int:
        return len(self.clip.pictures)

    def __getitem__(self, number: int, /) -> np.ndarray:
        return lay_heat_over(self.clip.pictures[number], self.heat_map.heat[number], self.clip.region)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[number] for number in range(len(self)))


def save_pictures(clip: ShownClip, heat_map: HeatMap, folder: Path) -> list[str]:
    """Write every frame under its heat, the contact sheet and the video.

    Frames that the heat map of a longer clip left in the folder are removed, or they would be taken for this clip's.

    Returns:
        a line about each of them, and warnings, for the user.

    Raises:
        InputError: the video cannot be written.
        OSError: a file cannot be written.
    """
    title = list_title_lines(clip, heat_map)
    images = HeatedPictures(clip, heat_map)
    for number, image in enumerate(images):
        save_image(image, folder / FRAMES / FRAME_NAME.format(number))
    return save_sheet_and_video(images, title, heat_map, clip.rate, folder)


def save_sheet_and_video(
    images: Pictures, title: list[str], heat_map: HeatMap, rate: float, folder: Path
) -> list[str]:  # fmt: skip
    """Write the contact sheet and the video of frames that are saved, and remove what a longer clip left behind.

    Args:
        images: the T pictures (H, W, 3) uint8 RGB under their heat.
        title: the lines at the top of the sheet.
        heat_map: its glosses and its title are drawn.
        rate: pictures a second.
        folder: the folder to write to.

    Returns:
        as `save_pictures`.
    """
    font = find_font("".join((*title, *(gloss for gloss, _ in heat_map.glosses), heat_map.title)))
    number = len(images)
    while (left_over := folder / FRAMES / FRAME_NAME.format(number)).is_file():
        left_over.unlink()
        number += 1
    sheet = ContactSheet(title, heat_map.glosses, (COLOURS, heat_map.title), rate, font)
    save_image(sheet.draw(images), folder / SHEET)
    save_video(images, rate, heat_map, font, folder / VIDEO)
    lines = [f"saved {folder / FRAMES} ({plural(len(images), 'frame')})"]
    lines += [f"saved {folder / SHEET}", f"saved {folder / VIDEO}"]
    if not heat_map.heat.any():
        lines.append("warning: the network found no evidence for this target in this clip, so all of it is cold")
    if font.missing:
        lines.append(f"warning: {font.warning}")
    return lines


def list_title_lines(clip: ShownClip, heat_map: HeatMap) -> list[str]:
    """The clip's name, what was signed if that is known, and what was recognised."""
    lines = [clip.name]
    if clip.signed is not None:
        lines.append(f"signed: {' '.join(clip.signed)}")
    return [*lines, f"recognised: {' '.join(heat_map.recognised) or '(nothing)'}"]


def save_image(image: np.ndarray, path: Path) -> None:
    """Write (H, W, 3) uint8 RGB, whole or not at all."""
    with atomic_path(path) as temporary:
        if not cv2.imwrite(str(temporary), cv2.cvtColor(image, cv2.COLOR_RGB2BGR)):
            raise OSError(f"cannot write {path}")


def save_video(images: Pictures, rate: float, heat_map: HeatMap, font: Font, path: Path) -> None:
    """Write pictures (H, W, 3) uint8 RGB as a video, whole or not at all, a band of glosses below them.

    Raises:
        InputError: the video cannot be written.
    """
    times = np.arange(len(images) + 1) / min(rate, HIGHEST_RATE)
    spans = ((gloss, float(times[first]), float(times[end])) for gloss, (first, end) in heat_map.glosses)
    words = tuple(CtmWord(gloss, start, end - start) for gloss, start, end in spans)
    band = Band(words, float(times[-1]), max(images[0].shape[1], NARROWEST), font)
    pages = (
        np.vstack([_pad_sides(image, band.width), band.draw(float(moment))])
        for image, moment in zip(images, times[:-1], strict=True)
    )
    write_video(path, pages, times)


def _pad_sides(image: np.ndarray, width: int) -> np.ndarray:
    """Put a picture in the middle of a wider one, so that the glosses below have room."""
    left = (width - image.shape[1]) // 2
    right = width - image.shape[1] - left
    return cv2.copyMakeBorder(image, 0, 0, left, right, cv2.BORDER_CONSTANT, value=BACKGROUND)

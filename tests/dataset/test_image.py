"""Images of every kind that a folder of frames may hold; Pillow is the reference for their pixels."""

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset.image import FrameError, decode_image, read_image

ROOT = Path(__file__).parents[2]
GREY = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (24, 1))  # (24, 32)
COLOUR = np.stack([GREY, GREY[:, ::-1], np.full_like(GREY, 60)], axis=-1)


def encode(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def smooth_picture(seed: int = 0, size: int = 256) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def of_size(png: bytes, width: int, height: int) -> bytes:
    """The same PNG with a header that says another size, and the right checksum."""
    return png[:8] + chunk(b"IHDR", struct.pack(">II", width, height) + png[24:29]) + png[33:]


COLOURS = Image.fromarray(COLOUR).quantize(16)
OPAQUE = np.full_like(GREY, 255)
KINDS = {
    "rgb": encode(COLOUR),
    "grey": encode(GREY),
    "one bit": encode(Image.fromarray(GREY).convert("1")),
    "palette": encode(COLOURS),
    "palette of two bits": encode(Image.fromarray(COLOUR).quantize(4), bits=2),
    "palette without a transparent pixel": encode(COLOURS, transparency=bytes([255] * 16)),
    "opaque": encode(np.dstack([COLOUR, OPAQUE])),
    "opaque grey": encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(OPAQUE)])),
    "transparent colour that no pixel has": encode(COLOUR, transparency=(1, 2, 3)),
    "jpeg": encode(smooth_picture(), "JPEG"),
    "grey jpeg": encode(GREY, "JPEG"),
    "progressive jpeg": encode(smooth_picture(), "JPEG", progressive=True),
    "jpeg with restarts": encode(smooth_picture(), "JPEG", restart_marker_blocks=3),
    "cmyk jpeg": encode(Image.fromarray(COLOUR).convert("CMYK"), "JPEG", quality=95),
    "jpeg with a comment": encode(COLOUR, "JPEG", comment=b"\xff\xda\xff\xd9" * 20),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_as_pillow_reads_it(kind):
    expected = np.asarray(Image.open(io.BytesIO(KINDS[kind])).convert("RGBA"))[..., :3]
    np.testing.assert_allclose(decode_image(KINDS[kind], "1.png"), expected, atol=1 if kind == "cmyk jpeg" else 0)


def test_interlaced_png(tmp_path):
    """Adam7's passes of 2x2 pixels: (0, 0), then (1, 0), then the second row."""
    header = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 1)
    rows = b"\0\x0a" + b"\0\x14" + b"\0\x1e\x28"  # a filter byte before each row of each pass
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert decode_image(png, "1.png")[..., 0].tolist() == [[10, 20], [30, 40]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_is_turned_as_viewers_turn_it(kind):
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned right by a quarter
    upright = np.rot90(decode_image(encode(smooth_picture(size=64)[:40], kind), "1"), -1)
    turned = decode_image(encode(smooth_picture(size=64)[:40], kind, exif=exif), "1")
    assert turned.shape == (64, 40, 3)
    np.testing.assert_array_equal(turned, upright)


@pytest.mark.parametrize("tail", [b"\0" * 200, b"IEND" * 100, b"\xff\xd8\xff\xda" * 100, os.urandom(5000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_bytes_behind_the_end_do_no_harm(kind, tail):
    data = encode(COLOUR, kind)
    np.testing.assert_array_equal(decode_image(data + tail, "1"), decode_image(data, "1"))


def test_the_content_decides_and_not_the_suffix(tmp_path):
    (tmp_path / "1.jpg").write_bytes(encode(COLOUR))
    np.testing.assert_array_equal(read_image(tmp_path / "1.jpg"), COLOUR)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_what_has_no_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "2.png").symlink_to("/dev/zero")
    for name in ("1.png", "2.png"):
        with pytest.raises(FrameError, match="is no file"):
            read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "BMP"])
def test_other_formats_are_named(kind):
    name = {"WEBP": "WebP"}.get(kind, kind)
    with pytest.raises(FrameError, match=rf"1\.png is a {name} image .*only PNG and JPEG"):
        decode_image(encode(COLOUR, kind), "1.png")


def test_an_animation_is_refused():
    data = encode(Image.fromarray(COLOUR), save_all=True, append_images=[Image.fromarray(255 - COLOUR)])
    with pytest.raises(FrameError, match="animated PNG"):
        decode_image(data, "1.png")


@pytest.mark.parametrize(
    "data",
    [
        encode(np.dstack([COLOUR, 255 - GREY])),
        encode(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(GREY)])),
        encode(COLOURS, transparency=bytes([255] * 3 + [254])),
        encode(COLOUR, transparency=tuple(COLOUR[3, 7].tolist())),
        encode(GREY, transparency=16),
        encode(Image.fromarray(GREY).convert("1"), transparency=1),
        cv2.imencode(".png", np.dstack([COLOUR, GREY]).astype(np.uint16) * 257)[1].tobytes(),
    ],
    ids=["rgba", "grey and alpha", "palette", "colour key", "grey key", "one bit key", "16 bits"],
)
def test_transparent_pixels_are_refused(data):
    with pytest.raises(FrameError, match=r"1\.png has transparent pixels.*-alpha remove"):
        decode_image(data, "1.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_that_use_their_range(channels):
    image = GREY if channels == 1 else COLOUR[..., ::-1]
    data = cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(decode_image(data, "1.png"), np.dstack([GREY] * 3) if channels == 1 else COLOUR)


@pytest.mark.parametrize(("bits", "factor"), [(8, 256), (10, 64), (12, 16), (14, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_of_a_camera_that_gives_fewer_are_refused(bits, factor, channels):
    image = (GREY if channels == 1 else COLOUR).astype(np.uint32) * (2**bits - 1) // 255
    data = cv2.imencode(".png", image.astype(np.uint16))[1].tobytes()
    with pytest.raises(FrameError, match=rf"no value above {image.max()} .*{bits} bits.*multiply {factor} "):
        decode_image(data, "1.png")


def test_a_black_frame_of_sixteen_bits_is_black():
    data = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].tobytes()
    assert decode_image(data, "1.png").tolist() == np.zeros((4, 4, 3)).tolist()


@pytest.mark.parametrize("size", [(60000, 60000), (9000, 9000), (2**20 + 1, 1), (2**31 - 1, 2**31 - 1), (0, 5)])
def test_no_memory_is_taken_for_a_header(size, capfd):
    with pytest.raises(FrameError, match=r"1\.png (says that it is|is damaged)"):
        decode_image(of_size(encode(COLOUR), *size), "1.png")
    assert capfd.readouterr().err == ""


def test_a_jpeg_of_a_camera_that_libjpeg_warns_of_can_be_written_anew():
    data = encode(smooth_picture(), "JPEG")
    with pytest.raises(FrameError, match=r"extraneous bytes before marker 0xd9\): .*; .*`magick mogrify FILE`"):
        decode_image(data[:-2] + b"\0" * 30 + data[-2:], "1.jpg")


def test_a_jpeg_that_says_a_huge_size():
    data = encode(COLOUR, "JPEG")
    place = data.index(b"\xff\xc0") + 5
    with pytest.raises(FrameError, match=r"1\.jpg says that it is 60000x50000 pixels"):
        decode_image(data[:place] + struct.pack(">HH", 50000, 60000) + data[place + 4 :], "1.jpg")


def test_half_a_jpeg_with_an_end_marker_is_damaged(capfd):
    data = encode(smooth_picture(), "JPEG", quality=95)
    with pytest.raises(FrameError, match=r"1\.jpg is damaged \(Corrupt JPEG data: premature end"):
        decode_image(data[: len(data) // 2] + b"\xff\xd9", "1.jpg")
    assert capfd.readouterr().err == ""


def test_whatever_libjpeg_says_of_a_flipped_bit_is_heard(tmp_path, capfd):
    """libjpeg's own lines, from a process of its own, are the reference: 300 flipped bits, of which it notices some."""
    data = encode(smooth_picture(), "JPEG", quality=95)
    rng = np.random.default_rng(0)
    flipped = []
    for place in rng.integers(len(data) * 8, size=300):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << int(place % 8)
        flipped.append(bytes(damaged))
    np.save(tmp_path / "flipped.npy", np.array([np.frombuffer(one, np.uint8) for one in flipped]))
    listing = (
        "import sys, cv2, numpy\n"
        "for number, one in enumerate(numpy.load(sys.argv[1])):\n"
        "    print(number, file=sys.stderr, flush=True)\n"
        "    print('failed' if cv2.imdecode(one, 1) is None else '', file=sys.stderr, flush=True)\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", listing, str(tmp_path / "flipped.npy")], capture_output=True, text=True, check=True
    )
    noticed, number = set(), -1
    for line in process.stderr.splitlines():
        if line.isdigit():
            number = int(line)
        elif line.startswith(("Corrupt JPEG", "Premature", "Inconsistent", "Invalid SOS", "failed")):
            noticed.add(number)
    found, unnoticed, sound = set(), 0, decode_image(data, "1.jpg")
    for index, one in enumerate(flipped):
        try:
            unnoticed += not np.array_equal(decode_image(one, "1.jpg"), sound)
        except FrameError:
            found.add(index)
    assert len(found) >= 55  # of about 295 that change pixels, as docs/corpora.md says; they have no checksum
    assert len(found) + unnoticed >= 290
    assert noticed <= found
    assert len(found - noticed) < 10  # the end marker itself, which libjpeg does without
    assert capfd.readouterr().err == ""


def test_libpng_says_nothing_of_its_own(capfd):
    """A profile that is too short is no damage, a picture with too few rows is; its checksums are right."""
    np.testing.assert_array_equal(decode_image(encode(COLOUR, icc_profile=b"x" * 200), "1.png"), COLOUR)
    with pytest.raises(FrameError, match=r"1\.png is damaged"):
        decode_image(of_size(encode(COLOUR), 32, 48), "1.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive"])
def test_nothing_but_frame_errors(kind, seed, capfd):
    """Cut, flipped and spliced files: an image or a FrameError that names it, and nothing on the terminal."""
    options = {"progressive": True} if kind == "progressive" else {}
    whole = encode(smooth_picture(size=64), kind if kind != "progressive" else "JPEG", **options)
    rng = np.random.default_rng(seed)
    for _ in range(150):
        data = bytearray(whole)
        match rng.integers(4):
            case 0:
                data = data[: rng.integers(len(data))]
            case 1:
                for place in rng.integers(len(data), size=rng.integers(1, 20)):
                    data[place] = rng.integers(256)
            case 2:
                start, length = rng.integers(len(data)), rng.integers(1, 500)
                del data[start : start + length]
            case 3:
                first, second = sorted(rng.integers(len(data), size=2))
                data[first:first] = data[second : second + 300]
        try:
            image = decode_image(bytes(data), "1.png")
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        except FrameError as error:
            assert "1.png" in str(error)
    assert capfd.readouterr().err == ""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.frames import FrameError, list_frame_files, read_frames, read_image, resize_frame


def picture(height: int = 52, width: int = 42, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def write(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture
def clip(tmp_path) -> Path:
    for number in range(1, 13):
        write(tmp_path / "clip" / f"images{number}.png", picture(seed=number))
    return tmp_path / "clip"


def test_natural_order_of_images_only(clip):
    (clip / "Thumbs.db").write_bytes(b"x")
    (clip / "._images1.png").write_bytes(b"x")
    (clip / "sub").mkdir()
    assert [path.name for path in list_frame_files(clip)] == [f"images{number}.png" for number in range(1, 13)]


def test_order_looks_at_every_number(tmp_path):
    names = ["fn000002-0.png", "fn000010-0.JPG", "fn000010-1.jpeg", "fn000100-0.png"]
    for name in reversed(names):
        (tmp_path / name).write_bytes(b"x")
    assert [path.name for path in list_frame_files(tmp_path)] == names


def test_reads_all_frames_as_rgb(clip):
    frames = read_frames(clip)
    assert frames.shape == (12, 52, 42, 3)
    assert frames.dtype == np.uint8
    for number in range(1, 13):
        np.testing.assert_array_equal(frames[number - 1], picture(seed=number))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_red_is_red(tmp_path, suffix):
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    write(tmp_path / f"1{suffix}", red)
    assert read_frames(tmp_path)[0, 8, 8] == pytest.approx([255, 0, 0], abs=3)


def test_indices_in_any_order_and_repeated(clip):
    frames, chosen = read_frames(clip), [3, 0, 3, 3, 11]
    np.testing.assert_array_equal(read_frames(clip, chosen), frames[chosen])
    np.testing.assert_array_equal(read_frames(clip, np.array(chosen)), frames[chosen])


def test_grey_images_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((8, 8), 77, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((8, 8, 3), 77, np.uint8))
    assert (read_frames(tmp_path) == 77).all()
    assert read_frames(tmp_path).shape == (2, 8, 8, 3)


def test_size_resizes_as_resize_frame_does(clip):
    frames = read_frames(clip, [4], size=64)
    assert frames.shape == (1, 64, 64, 3)
    np.testing.assert_array_equal(frames[0], resize_frame(picture(seed=5), 64))


def test_size_leaves_images_that_have_it(tmp_path):
    write(tmp_path / "1.png", picture(64, 64))
    np.testing.assert_array_equal(read_frames(tmp_path, size=64)[0], picture(64, 64))


@pytest.mark.parametrize(("height", "width"), [(260, 210), (512, 512), (256, 512)])
def test_resize_up_to_a_factor_of_two_is_plain_lanczos(height, width):
    image = picture(height, width)
    expected = cv2.resize(image, (256, 256), interpolation=cv2.INTER_LANCZOS4)
    np.testing.assert_array_equal(resize_frame(image, 256), expected)


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (260, 1280), (1080, 100)])
def test_resize_of_larger_images_averages_first(height, width):
    """Stripes one pixel wide become flat grey, where Lanczos alone would leave stripes of another width."""
    assert resize_frame(picture(height, width), 256).shape == (256, 256, 3)
    stripes = np.zeros((height, width, 3), np.uint8)
    if width > 512:
        stripes[:, ::2] = 255
    else:
        stripes[::2] = 255
    flat = resize_frame(stripes, 256)[8:-8, 8:-8].astype(int)
    aliased = cv2.resize(stripes, (256, 256), interpolation=cv2.INTER_LANCZOS4)[8:-8, 8:-8].astype(int)
    assert np.ptp(flat) < 0.5 * np.ptp(aliased)
    assert abs(flat.mean() - 127.5) < 2


def test_resize_does_not_change_its_argument():
    image = picture()
    before = image.copy()
    resize_frame(image, 20)
    np.testing.assert_array_equal(image, before)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FrameError, match=r"no folder .*nowhere"):
        read_frames(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FrameError, match=f"no image .*{tmp_path.name}"):
        read_frames(tmp_path)
    (tmp_path / "1.webp").write_bytes(b"x")
    with pytest.raises(FrameError, match=rf"no image .*{tmp_path.name}, but \.webp, which must be converted to PNG"):
        read_frames(tmp_path)
    with pytest.raises(FrameError, match=r"notes\.txt cannot be read"):
        list_frame_files(tmp_path / "notes.txt")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.9999])
def test_truncated_images_are_found(clip, suffix, part):
    path = clip / f"images3{suffix}"
    (clip / "images3.png").unlink()
    data = write(path, picture(260, 210)).read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(FrameError, match=rf"images3\{suffix} is (truncated|damaged)"):
        read_frames(clip)


def test_truncated_jpeg_with_an_embedded_preview_is_found(tmp_path):
    whole = write(tmp_path / "1.jpg", picture(260, 210)).read_bytes()
    preview = write(tmp_path / "preview.jpg", picture(16, 16)).read_bytes()
    segment = b"\xff\xe1" + (len(preview) + 2).to_bytes(2, "big") + preview
    with_preview = whole[:2] + segment + whole[2:]
    (tmp_path / "1.jpg").write_bytes(with_preview)
    assert read_image(tmp_path / "1.jpg").shape == (260, 210, 3)
    (tmp_path / "1.jpg").write_bytes(with_preview[: -len(whole) // 2])
    with pytest.raises(FrameError, match=r"1\.jpg is truncated"):
        read_image(tmp_path / "1.jpg")


def test_bytes_behind_the_end_do_no_harm(tmp_path):
    path = write(tmp_path / "1.jpg", picture())
    path.write_bytes(path.read_bytes() + b"\0" * 200)
    assert read_image(path).shape == (52, 42, 3)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "zero bytes"), (b"not an image", "damaged"), (b"\0" * 5000, "damaged")],
)
def test_files_that_are_no_images(clip, data, message):
    (clip / "images7.png").write_bytes(data)
    with pytest.raises(FrameError, match=rf"images7\.png .*{message}.*again"):
        read_frames(clip)
    read_frames(clip, [0, 1])


def test_flipped_bits_in_a_png_are_found(tmp_path):
    path = write(tmp_path / "1.png", picture())
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(data)
    with pytest.raises(FrameError, match=r"1\.png is damaged"):
        read_image(path)


def test_missing_image(tmp_path):
    with pytest.raises(FrameError, match=r"1\.png cannot be read"):
        read_image(tmp_path / "1.png")


@pytest.mark.parametrize("index", [12, -1])
def test_index_out_of_range(clip, index):
    with pytest.raises(FrameError, match=rf"frame {index} .*holds 12 \(0 to 11\).*prepare"):
        read_frames(clip, [0, index])


def test_no_index(clip):
    with pytest.raises(FrameError, match="no frame was asked for"):
        read_frames(clip, [])


@pytest.mark.parametrize("size", [None, 32])
def test_images_of_differing_sizes(clip, size):
    write(clip / "images9.png", picture(60, 42))
    with pytest.raises(FrameError, match=r"images9\.png is 42x60 pixels, .*42x52"):
        read_frames(clip, size=size)

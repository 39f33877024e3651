import pytest

from utils.temporal import TemporalSpec


@pytest.mark.parametrize(("conv_type", "stride", "edge"), [(0, 1, 1), (1, 2, 2), (2, 4, 6)])
def test_stride_and_edge(conv_type, stride, edge):
    spec = TemporalSpec(conv_type)
    assert (spec.stride, spec.edge) == (stride, edge)


@pytest.mark.parametrize("conv_type", [0, 1, 2])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 19, 20, 21, 230])
def test_the_chain_ends_at_the_output_length(conv_type, frames):
    spec = TemporalSpec(conv_type)
    assert list(spec.chain_lengths(spec.padded_length(frames)))[-1] == spec.output_length(frames)


def test_lengths_of_the_parity_files():
    spec = TemporalSpec(2)
    assert [(spec.padded_length(n), spec.output_length(n)) for n in (20, 12, 28, 16)] == [
        (32, 5),
        (24, 3),
        (40, 7),
        (28, 4),
    ]


def test_padding_repeats_the_first_and_the_last_frame():
    assert TemporalSpec(1).pad(3) == [0, 0, 0, 1, 2, 2, 2, 2]
    assert TemporalSpec(1).pad(3, 10) == [0, 0, 0, 1, 2, 2, 2, 2, 2, 2]


def test_steps_needed_counts_the_blank_between_equal_neighbours():
    assert TemporalSpec(2).steps_needed(["A", "A", "B", "A"]) == 5
    assert TemporalSpec(2).steps_needed([]) == 0


def test_errors_name_the_value():
    with pytest.raises(ValueError, match="conv_type is 3"):
        TemporalSpec(3)
    with pytest.raises(ValueError, match="has 0"):
        TemporalSpec(2).output_length(0)
    with pytest.raises(ValueError, match="20 frames need 32 frames with padding, only 31"):
        TemporalSpec(2).pad(20, 31)

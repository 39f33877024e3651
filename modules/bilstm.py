"""The bidirectional LSTM over output steps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class BiLSTM(nn.Module):
    """Two bidirectional layers; each direction gives half of `hidden_size`.

    Args:
        input_size: the number of channels that come in.
        hidden_size: the number of channels that go out.
        dropout: the rate of dropout between the layers.
    """

    def __init__(self, input_size: int, hidden_size: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size // 2, num_layers=2, dropout=dropout, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(T', B, C), `lengths` (B,) on the CPU -> (T', B, hidden_size), zeros past each clip's end."""
        # Packed, so that the backward direction of a shorter clip starts at its own last step.
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        out, _ = self.rnn(packed)
        return pad_packed_sequence(out, total_length=x.shape[0])[0]

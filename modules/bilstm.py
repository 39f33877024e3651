"""The bidirectional LSTM over output steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from utils.transfer import send

State = tuple[Tensor, Tensor]


class LayeredLSTM(nn.LSTM):
    """A bidirectional `nn.LSTM` with the same weights and results, which runs its layers one by one.

    cuDNN's LSTM of several layers draws the dropout between them from a random state of its own, which no checkpoint
    can hold. Here PyTorch draws it, from the state that checkpoints do hold.

    Args:
        input_size: the number of channels that come in.
        hidden_size: the number of channels that each direction gives.
        num_layers: the number of layers.
        dropout: the rate of dropout between the layers.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, dropout: float) -> None:
        super().__init__(input_size, hidden_size, num_layers, dropout=dropout, bidirectional=True)

    def forward(  # type: ignore[override]  # without clips alone and without a state to start from, which nobody needs
        self, x: Tensor | PackedSequence
    ) -> tuple[Tensor | PackedSequence, State]:
        """Run all layers.

        Args:
            x: the sequences, packed or (T, B, C).

        Returns:
            the last layer's output, packed or (T, B, 2 * hidden_size), and the hidden and the cell states at the ends
            of the sequences, (2 * num_layers, B, hidden_size) each.
        """
        data, sizes = (x.data, x.batch_sizes) if isinstance(x, PackedSequence) else (x, None)
        clips = data.shape[1] if sizes is None else int(sizes[0])  # the sizes are on the CPU
        zeros = torch.zeros(2, clips, self.hidden_size, dtype=data.dtype, device=data.device)
        # cuDNN has gradients in training mode alone. Without dropout of its own the mode changes nothing else, so
        # that gradients in evaluation mode, which heat maps need, get it too.
        keep = self.training or data.requires_grad
        states = []
        for layer in range(self.num_layers):
            if layer:
                data = F.dropout(data, self.dropout, self.training)
            forth, back = self.all_weights[2 * layer : 2 * layer + 2]
            weights: list[Tensor] = [*forth, *back]
            if sizes is None:
                data, *state = torch.lstm(data, (zeros, zeros), weights, True, 1, 0.0, keep, True, False)
            else:
                data, *state = torch.lstm(data, sizes, (zeros, zeros), weights, True, 1, 0.0, keep, True)
            states.append(state)
        hidden, cell = (torch.cat(part) for part in zip(*states, strict=True))
        if not isinstance(x, PackedSequence):
            return data, (hidden, cell)
        return x._replace(data=data), self.permute_hidden((hidden, cell), x.unsorted_indices)

    def flatten_parameters(self) -> None:
        """Put the weights of each layer in one piece of memory for itself; `nn.LSTM` calls it whenever they move.

        cuDNN computes without a copy only with weights that lie together from the beginning of their memory, in an
        order that depends on how many layers are computed at once. In one piece for all layers, as `nn.LSTM` puts
        them, it would copy the weights of every layer at every call, and warn.
        """
        cudnn = torch.backends.cudnn
        weights = [getattr(self, name) for name in self._flat_weights_names]
        if not all(cudnn.is_acceptable(weight) for weight in weights) or not torch._use_cudnn_rnn_flatten_weight():
            return  # not on a GPU, or not with cuDNN
        if len({weight.data_ptr() for weight in weights}) < len(weights):
            return  # some share their memory, or have none because they are simulated
        with torch.no_grad(), torch.cuda.device_of(weights[0]):
            for layer, size in enumerate([self.input_size] + [2 * self.hidden_size] * (self.num_layers - 1)):
                torch._cudnn_rnn_flatten_weight(
                    weights[8 * layer : 8 * layer + 8], 4, size, cudnn.rnn.get_cudnn_mode("LSTM"), self.hidden_size,
                    0, 1, False, True,
                )  # fmt: skip


class BiLSTM(nn.Module):
    """Two bidirectional layers; each direction gives half of `hidden_size`.

    Args:
        input_size: the number of channels that come in.
        hidden_size: the number of channels that go out.
        dropout: the rate of dropout between the layers.
    """

    def __init__(self, input_size: int, hidden_size: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.rnn = LayeredLSTM(input_size, hidden_size // 2, num_layers=2, dropout=dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(T', B, C), `lengths` (B,) on the CPU -> (T', B, hidden_size), zeros past each clip's end."""
        # Packed, so that the backward direction of a shorter clip starts at its own last step. The longest clip must
        # come first. PyTorch would sort them too, but wait for a GPU, to bring it the order and to read it again.
        in_order, order = lengths.sort(descending=True)
        places = send(torch.stack([order, order.argsort()]), x.device)
        packed = pack_padded_sequence(x.index_select(1, places[0]), in_order)
        out, _ = self.rnn(packed)
        return pad_packed_sequence(out, total_length=x.shape[0])[0].index_select(1, places[1])

"""A tensor on its way from a device to the CPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


class CpuCopy:
    """A copy of a tensor on the CPU. A GPU makes it while the program goes on, until somebody waits for it.

    Args:
        values: the tensor; one on the CPU is not copied. It must not change any more.
    """

    def __init__(self, values: Tensor) -> None:
        # PyTorch takes page-locked memory for a copy from CUDA that does not block. Elsewhere such a copy would be read
        # before it is there.
        begins = values.device.type == "cuda"
        self._values = values.to("cpu", non_blocking=begins)
        self._arrival = mark_place(values.device) if begins else None

    def wait(self) -> Tensor:
        """The copy, once it is there; in any thread."""
        if self._arrival:
            self._arrival.wait()
        return self._values


@dataclass(frozen=True)
class Mark:
    """A place in what a GPU was asked for.

    Attributes:
        event: is over once the GPU has come there.
        device: the GPU.
    """

    event: torch.cuda.Event
    device: torch.device

    def wait(self) -> None:
        """Wait until the GPU has come there; in any thread.

        One that has not used CUDA yet would open the first GPU only to wait: some hundred MB of a card that may be
        another one.
        """
        with torch.cuda.device(self.device):
            self.event.synchronize()


def mark_place(device: torch.device) -> Mark:
    """Mark the place after all that a GPU was asked for until now."""
    event = torch.cuda.Event(blocking=True)  # whoever waits sleeps, and leaves the core to others
    event.record(torch.cuda.current_stream(device))
    return Mark(event, device)

"""A tensor on its way from a device to the CPU."""

from __future__ import annotations

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
            self._arrival.synchronize()
        return self._values


def mark_place(device: torch.device) -> torch.cuda.Event:
    """An event after all that a GPU was asked for until now."""
    event = torch.cuda.Event(blocking=True)  # whoever waits sleeps, and leaves the core to others
    event.record(torch.cuda.current_stream(device))
    return event

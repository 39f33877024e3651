"""The network that the page reads with, as it was loaded when the server started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from config.load import to_dict
from config.nearest_system import find_nearest_system
from evaluation.inference.combine import CombinedNetwork
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import Network, TorchNetwork
from page.messages import leave_out_options
from utils.text import show_name

Stamp = tuple[tuple[str, int, int, int], ...]
"""By name, what changes when a file is replaced: its number, size and time of change."""


@dataclass(frozen=True)
class LoadedModel:
    """A network in memory.

    Attributes:
        recogniser: the network with its decoder.
        paths: where it was loaded from; several files where hypotheses are combined.
        stamp: the state of its files before they were read.
        live: the windows in which this machine reads a camera.
        live_lines: sentences about them.
    """

    recogniser: Recogniser
    paths: tuple[Path, ...]
    stamp: Stamp
    live: LiveSettings
    live_lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What the page calls it: the names of the files or folders, without the way there."""
        return ", ".join(show_name(path.name or str(path)) for path in self.paths)

    @cached_property
    def system(self) -> str:
        """The system of the family that it is nearest to; found once, since that takes longer than an answer should."""
        return find_nearest_system(to_dict(self.recogniser.config)).name

    def describe(self) -> dict[str, Any]:
        """What the page says of it, as JSON has it."""
        return {
            "name": self.name,
            "system": self.system,
            "glosses": len(self.recogniser.vocabulary),
            "rendered": self.recogniser.rendered,
            "device": ", ".join(list_devices(self.recogniser.network)),
            "camera": {"lines": [leave_out_options(line) for line in self.live_lines]},
        }

    def describe_change(self) -> str:
        """Say that the files have been replaced since they were loaded; "" if they have not."""
        if take_stamp(self.paths) == self.stamp:
            return ""
        return (
            f"the model {self.name} has been replaced or removed since this server was started: it goes on with the "
            "one that it loaded; end it and start it again to read with the new one"
        )


def list_devices(network: Network) -> list[str]:
    """The devices that a network computes on, or those of several that read together; each once."""
    if isinstance(network, CombinedNetwork):
        return list(dict.fromkeys(name for member in network.networks for name in list_devices(member)))
    return [str(network.model.device) if isinstance(network, TorchNetwork) else "cpu"]


def take_stamp(paths: Iterable[Path]) -> Stamp:
    """Note the state of checkpoints and of the files of model folders; nothing is noted of what is not here."""
    stamp: list[tuple[str, int, int, int]] = []
    for path in paths:
        with contextlib.suppress(OSError):
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            states = [(file.name, file.stat()) for file in files]
            stamp += [(name, state.st_ino, state.st_size, state.st_mtime_ns) for name, state in states]
    return tuple(stamp)

"""Training with several processes: torchrun starts them, or `--device 0,1` does."""

from __future__ import annotations

import logging
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from engine.gradient_check import choose_training_device
from engine.sync_batchnorm import convert_sync_batchnorm
from utils.device import select_device, set_device
from utils.errors import InputError
from utils.ranks import local_rank, world_size

if TYPE_CHECKING:
    from config.schema import Config

# How long processes wait for one that scores an evaluation or writes a checkpoint; PyTorch's ten minutes for GPUs would
# end a run whose evaluation takes longer.
PATIENCE = timedelta(hours=2)


def split_device_names(names: str) -> list[str]:
    """The devices in "0,1" or "cpu,cpu"; one for any other name."""
    return [name.strip() for name in names.split(",")]


def run_in_processes(names: Sequence[str], arguments: Sequence[str]) -> int:
    """Run this command line once for each device, as torchrun does, and wait for the end.

    Signals that this process gets are handed on.

    Args:
        names: the devices of this machine, one for each process.
        arguments: the program and what it was called with.

    Returns:
        the exit status: 0 if all processes ended well, else that of the first one that did not, and said why.

    Raises:
        InputError: a device is not there, or is named twice, or a process was killed; or srun started several.
    """
    refuse_many_tasks()
    devices = [select_device(name) for name in names]
    twice = [device for device in devices if devices.count(device) > 1 and device.type != "cpu"]
    if twice:
        raise InputError(f"device {','.join(names)} names {twice[0]} twice: a GPU serves one process")
    # Here because one process needs none of it.
    from torch.distributed import run as torchrun  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415

    # Without a number torchrun gives each process one thread; the processes share the cores instead.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, torch.get_num_threads() // len(names))))
    for name in list(logging.root.manager.loggerDict):  # what they have to say is said below
        if name.startswith("torch.distributed.elastic"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        torchrun.run(torchrun.parse_args(["--standalone", f"--nproc-per-node={len(names)}", *arguments]))
    except SignalException as stop:
        return 128 + stop.sigval
    except ChildFailedError as error:
        statuses = [failure.exitcode for failure in error.failures.values()]
        return judge_statuses(statuses)
    return 0


def judge_statuses(statuses: Sequence[int]) -> int:
    """The status to end with when processes that train together have failed.

    Args:
        statuses: the exit statuses of those that failed; a negative one is the number of the signal that ended it.

    Raises:
        InputError: one was killed, and could not say so itself.
    """
    # When one ends the others get SIGTERM.
    killed = [-status for status in statuses if status < 0 and -status != signal.SIGTERM]
    if killed:
        raise InputError(
            f"one of the processes that train together was killed ({signal.Signals(killed[0]).name}). Most often the "
            "system does that because memory ran out: lower batch_size, test_batch_size or num_worker; the same "
            "command with --resume goes on from what was last saved"
        )
    return next((status for status in statuses if status > 0), 128 + signal.SIGTERM)


def select_local_device(names: str) -> torch.device:
    """The device of this process, by its local rank.

    Args:
        names: the configuration's `device`: of several devices each process takes one, of "auto" and "cuda" a GPU.

    Raises:
        InputError: no such device is here, or srun started this command several times.
    """
    devices, number = split_device_names(names), local_rank()
    if number is None:
        refuse_many_tasks()
        return select_device(names)
    if len(devices) > 1:
        return select_device(devices[number % len(devices)])
    if names not in {"auto", "cuda"} or not torch.cuda.is_available():
        return select_device(names)
    # A scheduler may show each process a GPU of its own and no other; torchrun shows all of them to all.
    sees_its_own = torch.cuda.device_count() == 1 and not dist.is_torchelastic_launched()
    return select_device("0" if sees_its_own else str(number))


def open_local_device(config: Config) -> tuple[torch.device, str]:
    """Choose the device of this process for a run, and make it the one that is meant where none is named.

    Returns:
        the device, and a line for the log where it is another one than was to be expected.

    Raises:
        InputError: it is not there, has no memory left, or computes wrong gradients and is to train.
    """
    device, note = select_local_device(config.device), ""
    if config.phase == "train":
        device, note = choose_training_device(config, device)
    set_device(device)
    return device, note


def refuse_many_tasks() -> None:
    """Raise InputError if SLURM's srun started this command as several tasks that know nothing of each other.

    Each of them would train for itself, or end because another one holds the folder.
    """
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))  # which srun alone sets, not the script of a job
    if tasks > 1:
        raise InputError(
            f"srun started this command {tasks} times, and each would train for itself: let it start torchrun once on "
            "each machine (--ntasks-per-node=1), or tell each task its rank; docs/long-runs.md shows both. If they are "
            "runs of their own, each with a work_dir, unset SLURM_STEP_NUM_TASKS"
        )


@contextmanager
def join_process_group(device: torch.device) -> Iterator[None]:
    """Connect this process with the others while it is entered, if torchrun started it.

    Raises:
        InputError: another process is gone, or cannot be reached.
    """
    if local_rank() is None or dist.is_initialized():
        yield
        return
    try:
        # Numbers and messages go from CPU to CPU also where gradients go from GPU to GPU: no GPU is waited for.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
        try:
            yield
        finally:
            dist.destroy_process_group()
    except RuntimeError as error:
        if not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise InputError(
            "another of the processes that train together has ended or cannot be reached, so this one ends too; what "
            "the other one printed says why. The same command with --resume goes on from what was last saved"
        ) from error


def wrap_ddp(model: nn.Module, sync_batchnorm: bool) -> nn.Module:
    """Wrap a network for training, so that its gradients become the mean over all processes.

    Args:
        model: the network, on its device; returned as it is where there is one process.
        sync_batchnorm: whether BatchNorm is computed over the clips of all processes.
    """
    if world_size() == 1:
        return model
    if sync_batchnorm:
        convert_sync_batchnorm(model)
    # Kernels of one pixel have their gradients in another layout, which costs nothing to speak of.
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    # Without `device_ids`, by which it would move all arguments to the GPU: the lengths of clips are read on the CPU.
    network = DistributedDataParallel(model)
    # A BatchNorm over all processes has the same running statistics in each, which need not be sent around. (The
    # argument for this has another name in newer versions of PyTorch.)
    network.broadcast_buffers = not sync_batchnorm
    return network

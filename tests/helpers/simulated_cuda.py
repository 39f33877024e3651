"""A GPU that is not there: tensors that say `cuda:0` and compute on the CPU.

They refuse what CUDA refuses, operations on tensors of several devices, and count the waits: the places where a program
stands still until the GPU has done all that it was asked for. What waits is known from PyTorch's source.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

CUDA = torch.device("cuda", 0)
ROOT = Path(__file__).parents[2]
HELPER = Path(__file__).name
aten = torch.ops.aten

READING = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten._unique2.default,
    aten.unique_dim.default, aten.unique_consecutive.default, aten.bincount.default, aten.equal.default,
    aten.repeat_interleave.Tensor, aten.histc.default,
}  # fmt: skip
"""What reads numbers from the GPU, or has a result whose size depends on them."""
COPYING_LENGTHS = 3
"""CTC of PyTorch copies both lengths and the beginnings of the labels to the GPU, in each direction."""
CTC = {aten._ctc_loss.default, aten._ctc_loss.Tensor, aten._ctc_loss_backward.default, aten._ctc_loss_backward.Tensor}

REPLACED = {"tolist", "item", "new_tensor", "numpy", "__array__", "_pack_padded_sequence", "_pad_packed_sequence"}
ADDING_TO_ZEROS = {aten.index_add.default}
"""The gradient of `index_select`, which C++ adds to zeros where it believes that the tensor is."""

GROUPING = torch._C._group_tensors_by_device_and_dtype


class CudaTensor(torch.Tensor):
    """A tensor on the simulated device; `elem` is the tensor of the CPU that computes for it."""

    @staticmethod
    def __new__(cls, elem: Tensor) -> CudaTensor:
        """Wrap a tensor. C++ takes it for one of the CPU, since without a GPU there is no other that computes."""
        return torch.Tensor._make_wrapper_subclass(
            cls, elem.shape, strides=elem.stride(), storage_offset=elem.storage_offset(), dtype=elem.dtype, device="cpu"
        )

    def __init__(self, elem: Tensor) -> None:
        self.elem = elem

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = property(lambda self: False)

    def __repr__(self, **_: object) -> str:
        return f"CudaTensor({self.elem})"

    def __deepcopy__(self, memo: dict[int, Any]) -> CudaTensor:
        copied = CudaTensor(self.elem.detach().clone())
        memo[id(self)] = copied.requires_grad_(self.requires_grad)
        copied._is_param = getattr(self, "_is_param", False)
        return memo[id(self)]

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        device = SimulatedCuda.current
        assert device, f"{func} on the simulated device outside of it"
        return device.compute(func, args, kwargs or {})


class Upload(torch.autograd.Function):
    """To the device; the gradient comes back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return CudaTensor(values.detach().clone(memory_format=torch.preserve_format))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        SimulatedCuda.current.note("gradient copied to the CPU")
        return gradient.elem.clone()


class Download(torch.autograd.Function):
    """From the device; the gradient goes there."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.elem.detach().clone(memory_format=torch.preserve_format)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        SimulatedCuda.current.note("gradient copied to the GPU")
        return CudaTensor(gradient.clone())


class SimulatedCuda(TorchFunctionMode):
    """The device, while it is entered.

    Attributes:
        waits: how often the program waited, by place and reason.
    """

    current: SimulatedCuda | None = None

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()
        self._pinned: list[Tensor] = []  # kept, so that no other tensor gets their memory

    def __enter__(self) -> SimulatedCuda:
        SimulatedCuda.current = self
        # A module that is moved gets new weights: the memory of the old ones cannot become that of the device.
        self._before = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._libraries = ExitStack()
        self._libraries.enter_context(torch.backends.cudnn.flags(enabled=False))  # it would join an LSTM's weights
        self._libraries.enter_context(patch.object(torch._C, GROUPING.__name__, _group_tensors))
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._libraries.close()
        torch.__future__.set_overwrite_module_params_on_conversion(self._before)
        SimulatedCuda.current = None

    @property
    def total(self) -> int:
        """The number of waits so far."""
        return self.waits.total()

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """Count anew; gives the waits within the block."""
        self.waits = Counter()
        yield self.waits

    def note(self, reason: str, times: int = 1) -> None:
        """Note a wait at the innermost line of the project."""
        self.waits[f"{_find_place()}: {reason}"] += times

    # What PyTorch would decide by the device that C++ sees, in functions.

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        first = args[0] if args else None
        if isinstance(first, Tensor) and name in {"to", "cpu", "cuda"}:
            return self._move(func, name, first, args[1:], kwargs)
        if isinstance(first, Tensor) and name in {"pin_memory", "is_pinned"}:
            return getattr(self, f"_{name}")(first)
        if isinstance(first, CudaTensor) and name in REPLACED:
            return self._replace(func, name, first, args[1:], kwargs)
        if name in {"backward", "grad"}:
            return self._compute_gradients(name, *args, **kwargs)
        if name == "where" and isinstance(first, CudaTensor) and any(type(value) is Tensor for value in args):
            self.note("where copies a number to the GPU")
        if _is_cuda(kwargs.get("device")):
            if name in {"tensor", "as_tensor"}:
                self.note("a tensor made of numbers")
            return CudaTensor(func(*args, **{**kwargs, "device": "cpu"}))
        # The LSTM of oneDNN keeps for the gradients what no tensor here can hold.
        enabled = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(enabled and name != "lstm")
        try:
            return func(*args, **kwargs)
        finally:
            torch._C._set_mkldnn_enabled(enabled)

    def _compute_gradients(
        self, name: str, outputs: Any, inputs: Any = None, grad_outputs: Any = None, gradient: Any = None,
        retain_graph: bool | None = None, allow_unused: bool | None = None, **_: object,
    ) -> Any:  # fmt: skip
        """`Tensor.backward` and `torch.autograd.grad`, in which the device would not be entered."""
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else grad_outputs or [gradient] * len(outputs)
        given = tuple(torch.ones_like(o) if g is None else g for o, g in zip(outputs, given, strict=True))
        super().__enter__()
        try:
            inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs or ())
            keep, unused, accumulate = bool(retain_graph), bool(allow_unused), name == "backward"
            return _engine_run_backward(outputs, given, keep, False, inputs, unused, accumulate_grad=accumulate)
        finally:
            super().__exit__(None, None, None)

    def _replace(self, func: Any, name: str, values: CudaTensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """What C++ would do as if the tensor were on the CPU."""
        if name in {"numpy", "__array__"}:
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first")
        if name in PACKING:
            return PACKING[name](values, *args)
        self.note(name)
        out = func(values.elem, *args, **kwargs)
        return CudaTensor(out) if name == "new_tensor" else out

    def _move(self, func: Any, name: str, values: Tensor, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        """`Tensor.to`, `cpu` and `cuda`."""
        device = next((a for a in (*args, kwargs.get("device")) if isinstance(a, (str, torch.device))), None)
        dtype = next((a for a in (*args, kwargs.get("dtype")) if isinstance(a, torch.dtype)), None)
        for other in args:
            if isinstance(other, Tensor):
                device, dtype = other.device, other.dtype
        here = isinstance(values, CudaTensor)
        there = name == "cuda" or (name == "to" and (here if device is None else _is_cuda(device)))
        if here == there:
            if not here:
                return func(values, *args, **kwargs)
            # Only the number format and the layout may change. C++ must not see a device.
            formats = {"memory_format": kwargs["memory_format"]} if kwargs.get("memory_format") else {}
            return Tensor.to(values, dtype or values.dtype, **formats)
        non_blocking = kwargs.get("non_blocking", False) or True in [a for a in args if isinstance(a, bool)]
        if there and not (non_blocking and self._is_pinned(values)):
            self.note("copied to the GPU")
        if not there and not non_blocking:
            self.note("copied to the CPU")
        moved = (Upload if there else Download).apply(values)
        return moved if dtype is None else Tensor.to(moved, dtype)

    def _pin_memory(self, values: Tensor) -> Tensor:
        if self._is_pinned(values):
            return values
        self._pinned.append(values.clone())
        return self._pinned[-1]

    def _is_pinned(self, values: Tensor) -> bool:
        if isinstance(values, CudaTensor):
            return False
        memory = values.untyped_storage().data_ptr()
        return any(pinned.untyped_storage().data_ptr() == memory for pinned in self._pinned)

    # What computes.

    def compute(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Do an operation of which a tensor at least is on the device."""
        leaves = tree_leaves((args, kwargs))
        own = [leaf for leaf in leaves if isinstance(leaf, CudaTensor)]
        others = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, CudaTensor)]
        if func in READING:
            self.note(func.__name__)
        if func in CTC:
            self.note("CTC copies lengths to the GPU", COPYING_LENGTHS)
        if func in {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}:
            self._note_indices(args[1])
        elif func is aten.copy_.default:
            self._note_copy(*args, **kwargs)
        elif func not in {*CTC, *ADDING_TO_ZEROS, aten.lstm.data}:  # the LSTM's sizes are on the CPU
            _check_devices(func, others)
        if "device" in kwargs:  # the one that C++ believes the tensor to be on: a program's own transfers are `_move`'s
            kwargs = {**kwargs, "device": torch.device("cpu")}
        # No tensor is made in inference mode, where the tensor inside could not do what the one around it does.
        with torch.inference_mode(False), torch.no_grad():
            return self._run(func, args, kwargs, own)

    def _run(self, func: Any, args: tuple, kwargs: dict[str, Any], own: Sequence[CudaTensor]) -> Any:
        out = func(*tree_map(_unwrap, args), **tree_map(_unwrap, kwargs))
        known = {id(tensor.elem): tensor for tensor in own}  # operations in place return what they were given
        if func is aten.copy_.default:
            return args[0]
        return tree_map(lambda leaf: known[id(leaf)] if id(leaf) in known else _wrap(leaf), out)

    def _note_indices(self, indices: Sequence[Tensor | None]) -> None:
        for index in indices:
            if index is not None and index.dtype in {torch.bool, torch.uint8}:
                self.note("indexed by a mask")
            elif index is not None and not isinstance(index, CudaTensor):
                self.note("indexed by a tensor of the CPU")

    def _note_copy(self, to: Tensor, source: Tensor, non_blocking: bool = False) -> None:
        if isinstance(to, CudaTensor) == isinstance(source, CudaTensor):
            return
        if not (non_blocking and self._is_pinned(source if isinstance(to, CudaTensor) else to)):
            self.note("copied into a tensor of the other device")


def move(module: nn.Module) -> nn.Module:
    """Move a module's weights and buffers to the device, and return it; for use while the device is entered."""
    moved: dict[int, Tensor] = {}
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, values in held.items():
                if values is None:
                    continue
                if id(values) not in moved:
                    there = CudaTensor(values.detach().clone(memory_format=torch.preserve_format))
                    is_weight = isinstance(values, nn.Parameter)
                    moved[id(values)] = nn.Parameter(there, values.requires_grad) if is_weight else there
                held[name] = moved[id(values)]
    return module


def _group_tensors(lists: Sequence[Sequence[Tensor | None]], with_indices: bool = False) -> dict:
    """What norms and optimisers group weights by, with the device that Python sees."""
    groups = {}
    for (device, dtype), (of_lists, indices) in GROUPING(lists, with_indices).items():
        ours = any(isinstance(tensor, CudaTensor) for tensors in of_lists for tensor in tensors)
        groups[CUDA if ours else device, dtype] = of_lists, indices
    return groups


# Packing, which C++ does with tensors that it makes where it believes the sequences to be.


def _pack_padded(x: Tensor, lengths: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    if isinstance(lengths, CudaTensor):
        raise RuntimeError("pack_padded_sequence: lengths must be on the CPU")
    x = x.transpose(0, 1) if batch_first else x  # (T, B, C)
    sizes = (lengths > torch.arange(int(lengths[0]))[:, None]).sum(1)
    return torch.cat([row[:size] for row, size in zip(x, sizes.tolist(), strict=False)]), sizes


def _pad_packed(data: Tensor, sizes: Tensor, batch_first: bool, value: float, total: int) -> tuple[Tensor, Tensor]:
    most = int(sizes[0])
    rows = [F.pad(row, (0, 0, 0, most - len(row)), value=value) for row in data.split(sizes.tolist())]
    padded = F.pad(torch.stack(rows), (0, 0, 0, 0, 0, total - len(rows)), value=value)  # (T, B, C)
    return padded.transpose(0, 1) if batch_first else padded, (sizes > torch.arange(most)[:, None]).sum(1)


PACKING = {"_pack_padded_sequence": _pack_padded, "_pad_packed_sequence": _pad_packed}


def _wrap(leaf: Any) -> Any:
    return CudaTensor(leaf) if isinstance(leaf, Tensor) else leaf


def _unwrap(leaf: Any) -> Any:
    return leaf.elem if isinstance(leaf, CudaTensor) else leaf


def _is_cuda(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cuda"


def _check_devices(func: Any, others: Sequence[Tensor]) -> None:
    """Raise RuntimeError where a tensor of the CPU is among those of the device; single numbers may be."""
    mixed = [tuple(other.shape) for other in others if other.ndim > 0 or torch.Tag.pointwise not in func.tags]
    if mixed and func is not aten.where.self:
        raise RuntimeError(
            f"{func}: expected all tensors to be on cuda:0, but {mixed} are on the CPU ({_find_place()})"
        )


def _find_place() -> str:
    """The innermost line of the project that is being run, without this file."""
    frame = sys._getframe(1)
    while frame:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts and path.name != HELPER:
            return f"{path.relative_to(ROOT).as_posix()} {frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"

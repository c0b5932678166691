"""PyTorch as far as the library sees it, without a GPU: `make_torch` makes the module.

What PyTorch refuses to export, such as a tensor that takes part in differentiation, is refused here too, in its words.
"""

import types
import warnings

import numpy as np
from fake_cupy import CUDA, HOST, Capsule


class TorchStream:
    def __init__(self, cuda_stream):
        self.cuda_stream = cuda_stream

    def __cuda_stream__(self):
        return 0, self.cuda_stream


class Tensor:
    __module__ = "torch"

    def __init__(self, memory, device="cpu", requires_grad=False, bfloat16=False, negated=False, layout="strided"):
        """`bfloat16`: the memory is uint16, the bits of such numbers. `negated`: its values are minus the memory's."""
        self.memory, self.device, self.requires_grad = memory, device, requires_grad
        self.shape, self.ndim = memory.shape, memory.ndim
        self.dtype = f"torch.{'bfloat16' if bfloat16 else memory.dtype}"
        self.negated, self.layout = negated, f"torch.{layout}"

    is_cuda = property(lambda self: self.device.startswith("cuda"))

    def detach(self):
        return Tensor(self.memory, self.device, bfloat16=self._is_bfloat16, negated=self.negated)

    def resolve_neg(self):
        return Tensor(-self.memory, self.device) if self.negated else self

    @property
    def _is_bfloat16(self):
        return self.dtype == "torch.bfloat16"

    def to(self, device):
        return Tensor(self.memory.copy(), device)

    def view(self, dtype):
        assert dtype == "torch.int16"
        return Tensor(self.memory.view(np.int16), self.device)

    def __len__(self):
        return len(self.memory)

    @property
    def __cuda_array_interface__(self):
        if not self.is_cuda:
            raise AttributeError("Can't get __cuda_array_interface__ on non-CUDA tensor type.")
        if self.requires_grad:
            raise RuntimeError("Can't get __cuda_array_interface__ on Variable that requires grad.")
        if self._is_bfloat16:
            raise KeyError(self.dtype)
        return self.memory.__array_interface__

    def __dlpack_device__(self):
        if self.device == "meta":
            raise ValueError("Unknown device type meta for Dlpack")
        return (CUDA, int(self.device[5:])) if self.is_cuda else (HOST, 0)

    def __dlpack__(self, *, stream=None):
        if self.requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        if self._is_bfloat16:
            raise NotImplementedError("CuPy does not support bfloat16. Please install ml_dtypes to use bfloat16.")
        return Capsule(self.memory, self.__dlpack_device__()[1])

    def __array__(self, dtype=None, copy=None):
        if self.device != "cpu":
            raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu()")
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.negated:
            raise RuntimeError("Can't call numpy() on Tensor that has negative bit set.")
        if self._is_bfloat16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.memory if dtype is None else self.memory.astype(dtype)


def _from_numpy(array):
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if not array.flags.writeable:
        warnings.warn("The given NumPy array is not writable.", UserWarning, stacklevel=2)
    return Tensor(array)


def make_torch():
    """The module; `torch.cuda.streams` holds what is current on each GPU."""
    torch = types.ModuleType("torch")
    torch.Tensor, torch.from_numpy, torch.int16 = Tensor, _from_numpy, "torch.int16"
    torch.from_dlpack = lambda a: Tensor(a.__dlpack__().memory, f"cuda:{a.__dlpack_device__()[1]}")
    torch.stack = lambda tensors: Tensor(np.stack([one.memory for one in tensors]), tensors[0].device)
    streams = {0: 0, 1: 0}
    torch.cuda = types.SimpleNamespace(streams=streams, current_stream=lambda number: TorchStream(streams[number]))
    return torch

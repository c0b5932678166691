"""What rows and centroids are multiplied as on tensor cores: integers in bytes, or integers held in fp16.

Halves tell more, 511 levels instead of 255, and leave about half as many further candidates. But they take twice the
products, the memory and the way to the cores. Fits in halves have not been timed on a GPU. By the rates of products
alone, measured on an H100 (bytes 1257, halves 630 T operations a second), they should lose at any number of features.
At (1M, 768, 4096) products would take 5 ms more, rows and centroids from cache about 10, and at most half of what lists
and candidates take would be saved. So the ratio of both rates decides. By data sheets, of bytes to halves with sums in
float32, T operations a second:

=================  =============================  ======================================================================
capability         bytes : halves                 source
=================  =============================  ======================================================================
8.0, 9.0           A100 624 : 312; H100 1257 : 630  NVIDIA's data sheet; measured
8.6, 8.9           RTX 4090 661 : 165             NVIDIA's white paper of Ada
10.0               B200 4500 : 2250               datacrunch.io/blog/nvidia-b300-vs-b200-complete-gpu-comparison-to-date
10.3               B300 150 : 2250                int8 slower than TF32: github.com/pytorch/pytorch/issues/187094
12.0               931, 3.8 times halves          measured by others: github.com/kekzl/imp/pull/254
=================  =============================  ======================================================================
"""

from typing import NamedTuple

from ...forcing import Choice

_SLOW_BYTES = ((10, 3),)  # capabilities at which products of bytes are slower than those of halves


class Operand(NamedTuple):
    """A type of operand; `halves` as in `bytes.cu`."""

    name: str
    halves: int
    levels: int  # of a code, on either side of zero
    size: int  # bytes of a code


BYTES, HALVES = Operand("int8", 0, 127, 1), Operand("fp16", 1, 255, 2)
OPERANDS = (HALVES, BYTES)
_CHOICE = Choice("operand", OPERANDS)
use_operand = _CHOICE.force


def operand_for(properties):
    """The operand for a device of these `Properties`: the one that is forced, else the one with faster products.

    Halves serve only where sums of their products are exact, which is tried once (`accumulators.cu`).
    """
    forced = _CHOICE.forced is not None

    def against(operand):
        if operand is BYTES:
            return ""
        if not forced and properties.capability not in _SLOW_BYTES:
            return "products of bytes are faster on this GPU"
        return "" if properties.exact_halves() else "tensor cores of this GPU do not keep 24 bits of sums"

    return _CHOICE.first(against)

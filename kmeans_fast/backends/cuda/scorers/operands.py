"""What rows and centroids are multiplied as on tensor cores: integers in bytes, or integers held in fp16.

Codes in bytes have 255 levels. Codes in halves have as many as leave sums of products exact, which have 24 bits: 2047
where a row takes one product of 16 features, 511 where it takes 16 or more. So they leave fewer further candidates. But
of more than 16 features they take twice the products, the memory and the way to the cores. By the rates of products
alone, measured on an H100 (bytes 1257, halves 630 T operations a second), they should lose there: at (1M, 768, 4096)
products would take 5 ms more, rows and centroids from cache about 10, and at most half of what lists and candidates
take would be saved. Up to 16 features they take no more than bytes, which would be padded to 32. So they serve there,
unless they are much slower than bytes, and where bytes are slow. On an H100 an iteration at (10M, 16, 256) took 2.11 ms
in halves and 2.38 in bytes, one at (1M, 32, 65536) 20.7 and 19.8. By data sheets, of bytes to halves with sums in
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

import math
from typing import NamedTuple

from ....kernels import byte_scores
from ...forcing import Choice

_SLOW_BYTES = ((10, 3),)  # capabilities at which products of bytes are slower than those of halves
_FAST_HALVES = ((8, 0), (9, 0), (10, 0), *_SLOW_BYTES)  # capabilities at which halves take twice as long at most
_HALVES_A_PRODUCT = 16  # features
_EXACT = 256  # features whose sums are exact, where there are more products than fit registers


class Operand(NamedTuple):
    """A type of operand; `halves` as in `bytes.cu`."""

    name: str
    halves: int
    size: int  # bytes of a code

    def levels(self, ksteps):
        """The largest integer of a code where rows take so many products (`sources.KSTEPS`)."""
        if not self.halves:
            return byte_scores.LEVELS
        features = _HALVES_A_PRODUCT * ksteps or _EXACT
        return math.isqrt((2**24 - 1) // features)


BYTES, HALVES = Operand("int8", 0, 1), Operand("fp16", 1, 2)
OPERANDS = (HALVES, BYTES)
_CHOICE = Choice("operand", OPERANDS)
use_operand = _CHOICE.force


def operand_for(d, properties):
    """The operand for d features on a device of these `Properties`: the one that is forced, else the better one.

    Halves serve only where sums of their products are exact, which is tried once (`accumulators.cu`).
    """
    forced = _CHOICE.forced is not None
    good = _FAST_HALVES if d <= _HALVES_A_PRODUCT else _SLOW_BYTES

    def against(operand):
        if operand is BYTES:
            return ""
        if not forced and properties.capability not in good:
            return "products of bytes are faster on this GPU"
        return "" if properties.exact_halves() else "tensor cores of this GPU do not keep 24 bits of sums"

    return _CHOICE.first(against)

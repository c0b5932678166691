"""The section "ceilings": what this device does at best, against which iterations are judged."""

import statistics

import numpy as np
from common.data import normal
from common.timing import guarded, say

COPY, PRODUCTS, ATOMICS, LAUNCHES = "copy", "matrix products", "integer atomics", "launches"
REPEATS = 15
ADDRESSES = (16, 1024, 100_000)
PRECISIONS = {  # what a product is called -> PyTorch's dtype and precision of float32 products
    "float32": ("float32", "highest"), "TF32": ("float32", "high"), "bf16": ("bfloat16", "highest"),
}  # fmt: skip

ADD_OFTEN = """
extern "C" __global__ void add_often(unsigned long long* cells, int size, int repeats) {
  const unsigned thread = blockIdx.x * blockDim.x + threadIdx.x;
  for (int i = 0; i < repeats; ++i) {  // a hash (lowbias32), so that a warp's lanes have addresses that are not alike
    unsigned word = thread * 0x9E3779B9u + i * 0x85EBCA6Bu;
    word = (word ^ (word >> 16)) * 0x7FEB352Du;
    word = (word ^ (word >> 15)) * 0x846CA68Bu;
    word ^= word >> 16;
    atomicAdd(cells + (int)(((unsigned long long)word * (unsigned)size) >> 32), 1ull);
  }
}
"""
NOTHING = 'extern "C" __global__ void nothing(int* cells) { }\n'


def units(options):
    """What is measured."""
    return [COPY, PRODUCTS, ATOMICS, LAUNCHES]


def run(unit, stand, context):
    """A ceiling: by what was measured a dict with "rate", its "unit" and raw seconds, or why there is none."""
    found = {COPY: _copy, PRODUCTS: _products, ATOMICS: _atomics, LAUNCHES: _launches}[unit](stand, context)
    for name, one in found.items():
        say(f"  {name}: {one.get('skipped') or '{:.4g} {}'.format(one['rate'], one['unit'])}")
    stand.release()
    return found


def _rate(stand, function, work, unit, repeats=REPEATS):
    """`work` over the median time of `function`, warmed up."""
    for _ in range(2):
        function()
    seconds = [stand.timed(function)[0] for _ in range(repeats)]
    return {"rate": work / statistics.median(seconds), "unit": unit, "seconds": seconds}


def guarded_rate(stand, *arguments):
    """As `_rate`; "skipped" and why in its place where that fails."""
    found, reason = guarded(stand, _rate, stand, *arguments)
    return found if not reason else {"skipped": reason}


def _copy(stand, context):
    size = 1 << (16 if context.dry_run else 30)  # float32 values: 4 GiB, far beyond any cache
    source = stand.xp.arange(size, dtype=np.float32)
    target = stand.xp.empty_like(source)
    return {"copy": guarded_rate(stand, lambda: stand.copy(target, source), 2e-12 * source.nbytes, "TB/s")}


def _products(stand, context):
    n = 64 if context.dry_run else 8192
    work = 2e-12 * n**3
    try:
        import torch
    except ImportError as error:
        missing = {name: {"skipped": f"PyTorch is missing: {error}"} for name in PRECISIONS if name != "float32"}
        A = stand.xp.asarray(normal(n, n))
        return {"float32": guarded_rate(stand, lambda: A @ A, work, "TFLOP/s"), **missing}
    found = {}
    for name, (dtype, precision) in PRECISIONS.items():
        doing = f"{PRODUCTS}, {name}"
        if doing in context.left_out:
            found[name] = {"skipped": context.left_out[doing]}
            continue
        context.tell(doing)
        torch.set_float32_matmul_precision(precision)
        A = torch.randn(n, n, device=stand.torch_device).to(getattr(torch, dtype))
        found[name] = guarded_rate(stand, lambda A=A: A @ A, work, "TFLOP/s")
    torch.set_float32_matmul_precision("highest")
    return found


def _atomics(stand, context):
    blocks, threads, repeats = (4, 64, 3) if context.dry_run else (132 * 8, 256, 256)
    kernel, found = stand.kernel(ADD_OFTEN, "add_often"), {}
    for size in ADDRESSES:
        cells = stand.xp.zeros(size, np.int64)

        def add(cells=cells, size=size):
            kernel(blocks, threads, (cells, np.int32(size), np.int32(repeats)))

        name, adds = f"at {size:,} addresses", blocks * threads * repeats
        found[name] = guarded_rate(stand, add, 1e-9 * adds, "G additions/s")
        if "rate" in found[name]:
            found[name]["lost"] = (REPEATS + 2) * adds - int(cells.sum())  # of those that were made
    return found


def _launches(stand, context):
    count = 20 if context.dry_run else 2000
    kernel, cells = stand.kernel(NOTHING, "nothing"), stand.xp.zeros(1, np.int32)

    def launch():
        for _ in range(count):
            kernel(1, 32, (cells,))

    one = guarded_rate(stand, launch, 1.0, "launches of an empty kernel a second")
    if "rate" in one:
        one |= {"rate": 1e6 / (one["rate"] * count), "unit": "us a launch, from Python"}
    return {"empty kernel": one}


def measured(results):
    """float32 operations and bytes a second as they were measured here; None where they were not."""
    float32 = results.get(PRODUCTS, {}).get("float32", {}).get("rate")
    copy = results.get(COPY, {}).get("copy", {}).get("rate")
    return (1e12 * float32, 1e12 * copy) if float32 and copy else None

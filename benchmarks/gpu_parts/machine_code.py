"""Instructions of the inner loop of `byte_filter` in machine code: ``python benchmarks/gpu_parts/machine_code.py``.

Needs no GPU, but NVRTC and NVIDIA's ``nvdisasm`` (``pip install nvidia-cuda-nvdisasm``), on PATH or named by NVDISASM.
Counted is what a warp does for 32 centroids where no score reaches a floor: what lies between the first product and
the vote on whether any does.
"""

import collections
import os
import re
import subprocess
import tempfile
from pathlib import Path

from kmeans_fast.kernels.cuda import compiler, sources

SHOWN = ("IMMA", "HMMA", "FFMA", "FADD", "FMNMX", "I2FP", "LDS", "WARPSYNC")
CASES = [(0, 4), (0, 8), (1, 4), (1, 8)]  # HALVES, KSTEPS
MANY = [(0, 0, 128), (1, 0, 64)]  # HALVES, KSTEPS, PANEL: the loop over products is apart
_INSTRUCTION = re.compile(r"\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z]\w*)(.*?);")
_LABEL = re.compile(r"\s*(\.L_x_\d+):")


def disassembled(module, architecture):
    """Instructions, each the opcode and its operands, and where labels are."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.cubin"
        path.write_bytes(compiler.compiled(module, architecture).code)
        tool = os.environ.get("NVDISASM", "nvdisasm")
        text = subprocess.run([tool, "-c", path], capture_output=True, text=True, check=True).stdout
    instructions, labels = [], {}
    for line in text.splitlines():
        if found := _LABEL.match(line):
            labels[found[1]] = len(instructions)
        elif found := _INSTRUCTION.match(line):
            instructions.append((found[1], found[2]))
    return instructions, labels


def products(instructions):
    return [i for i, (opcode, _) in enumerate(instructions) if opcode in ("IMMA", "HMMA")]


def on_the_way_to_votes(instructions):
    """Counts of what lies between products and the next vote."""
    counts, i, of_products = collections.Counter(), 0, products(instructions)
    while following := [p for p in of_products if p >= i]:
        vote = next(j for j in range(following[0], len(instructions)) if instructions[j][0] == "VOTE")
        counts.update(opcode for opcode, _ in instructions[following[0] : vote])
        i = vote
    return counts


def of_the_smallest_loop(instructions, labels):
    """Counts of the smallest loop that has products."""
    loops, of_products = [], products(instructions)
    for i, (opcode, operands) in enumerate(instructions):
        label = re.search(r"\((\.L_x_\d+)\)", operands)
        if opcode == "BRA" and label and labels[label[1]] <= i:
            loops.append((i - labels[label[1]], labels[label[1]], i))
    _, first, last = min(loop for loop in loops if any(loop[1] <= p <= loop[2] for p in of_products))
    return collections.Counter(opcode for opcode, _ in instructions[first : last + 1])


def _row(what, counts):
    return f"| {what} | {' | '.join(str(counts[opcode]) for opcode in SHOWN)} | {sum(counts.values())} |"


def table(architecture):
    """A table in Markdown."""
    lines = [f"| sm_{architecture} | {' | '.join(SHOWN)} | all |", "| --- |" + " ---: |" * (len(SHOWN) + 1)]
    for halves, ksteps in CASES:
        module = sources.module("byte_filter", "float", HALVES=halves, KSTEPS=ksteps, PANEL=64)
        what = f"{('bytes', 'halves')[halves]}, {ksteps * (32, 16)[halves]} features, 32 centroids"
        lines.append(_row(what, on_the_way_to_votes(disassembled(module, architecture)[0])))
    for halves, ksteps, panel in MANY:
        module = sources.module("byte_filter", "float", HALVES=halves, KSTEPS=ksteps, PANEL=panel)
        what = f"{('bytes', 'halves')[halves]}, {(32, 16)[halves]} of many features, {panel} centroids"
        lines.append(_row(what, of_the_smallest_loop(*disassembled(module, architecture))))
    return "\n".join(lines)


if __name__ == "__main__":
    for one in (80, 90, 120):
        print(table(one), end="\n\n")

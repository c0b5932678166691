"""Whether the tensor cores of a device keep 24 bits of sums of halves (`accumulators.cu`)."""

import numpy as np

from .device import Launcher, allocate

_TRIALS = 5 * 2048  # 5 widths; 4 kinds, 256 places, both signs


def exact_halves(device, trials=_TRIALS):
    """Try it on a `Device` of compute capability 8.0 or above; waits for it."""
    launcher = Launcher(device, np.float32)
    wrong = allocate(device, 1, np.int32, "a trial of sums", fill=0)
    launcher.run("accumulators", "check_sums", 32 * trials, trials=trials, wrong=wrong)
    return not device.download(wrong)[0]

"""Arrays in and out of .npz files.

They are read so strictly that no file can do harm: nothing is unpickled or unpacked, and no memory is taken on a file's
word.
"""

import io
import math
import zipfile

import numpy as np

_MOST_MEMBERS = 128
_DTYPES = ("<f4", "<f8", "<i4", "|u1")


def write_header(file, shape, dtype):
    """Write what begins a .npy file of a C-contiguous array, to a file that is open for writing bytes."""
    described = {"shape": tuple(shape), "fortran_order": False, "descr": np.lib.format.dtype_to_descr(np.dtype(dtype))}
    np.lib.format.write_array_header_1_0(file, described)


def write_array(file, array):
    """Write an array as .npy to a file that is open for writing bytes.

    As `numpy.save`, which however hands a real file to the C library and does not hear of it when the disk is full.
    """
    array = np.ascontiguousarray(array)
    write_header(file, array.shape, array.dtype)
    file.write(array.data.cast("B") if array.size else b"")


def write_arrays(file, arrays):
    """Write arrays by name as .npz to a file that is open for writing bytes; ValueError for more than are read."""
    if len(arrays) > _MOST_MEMBERS:
        raise ValueError(f"a file holds at most {_MOST_MEMBERS} arrays, got {len(arrays)}")
    np.savez(file, **arrays)


def read_arrays(file, size):
    """All arrays of an .npz file of `size` bytes that is open for reading, by name.

    A member must be stored as it is (not compressed) and hold just what its own header says, which is checked before
    memory is taken; only little-endian numbers of 8 bytes or fewer, in C order, are read.

    Raises
    ------
    ValueError
        For anything else that is told apart here.
    Exception
        Of many kinds, from `zipfile` and NumPy, for damaged bytes.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = [info.filename.removesuffix(".npy") for info in members]
        if len(set(names)) < len(names) or len(names) > _MOST_MEMBERS:
            raise ValueError(f"it has members of one name, or more than {_MOST_MEMBERS}")
        return {name: _read(archive, info, size) for name, info in zip(names, members, strict=True)}


def _read(archive, info, file_size):
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > file_size:
        raise ValueError(f"its member {info.filename} is compressed, or larger than the file")
    content = io.BytesIO(archive.read(info))
    version = np.lib.format.read_magic(content)
    if version != (1, 0):
        raise ValueError(f"its member {info.filename} has the unknown array format {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.str not in _DTYPES or fortran:
        raise ValueError(f"its member {info.filename} holds {dtype.str}, which no model does")
    data = content.read()
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"its member {info.filename} says {shape} {dtype.str} and holds {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape).copy()

"""Chunks of sources are read on threads, ahead of the work on them."""

import threading

from kmeans_fast import sources
from kmeans_fast.sources import reading


class Numbers(sources.Source):
    n_chunks = 5

    def __init__(self):
        self.read = []

    def chunk(self, number):
        self.read.append(number)
        return number


def test_chunks_are_read_ahead_one_at_a_time():
    reader = reading.Reader(Numbers())
    assert [reader.read(0, [1]), reader.read(1, [3]), reader.read(3), reader.read(0, [4])] == [0, 1, 3, 0]
    reader.coming[4].result()
    assert reader.read(2) == 2
    assert reader.read(5, [6]) is None
    reader.close()
    assert reader.source.read == [0, 1, 3, 0, 4, 2]


def test_chunks_are_read_ahead_several_at_a_time():
    reader = reading.Reader(Numbers(), ahead=3)
    for place, then in ((0, [1, 2, 3, 4]), (1, [2, 3, 4]), (2, [3, 4]), (3, [4, 0]), (4, [0, 1, 2])):
        assert reader.read(place, then) == place
        assert list(reader.coming) == then[:3]
        assert [future.result() for future in reader.coming.values()] == then[:3]
    assert sorted(reader.source.read) == [0, 0, 1, 1, 2, 2, 3, 4]
    assert reader.read(0, [4]) == 0  # another order than was thought of
    assert list(reader.coming) == [4]


def test_chunks_that_are_not_read_ahead_are_read_by_the_thread_that_asks(monkeypatch):
    read, threads = Numbers.chunk, []

    def noted(self, number):
        threads.append(threading.current_thread())
        return read(self, number)

    monkeypatch.setattr(Numbers, "chunk", noted)
    reader = reading.Reader(Numbers(), ahead=0)
    assert list(reader.all()) == [0, 1, 2, 3, 4]
    assert reader.source.read == [0, 1, 2, 3, 4]
    assert set(threads) == {threading.current_thread()}
    reader.close()

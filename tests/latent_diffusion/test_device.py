"""Rows come out the same whether the array stays where it is or lies on the device as a whole."""

import numpy as np
import pytest
import torch

from latent_diffusion.device import (
    DeviceRows,
    FileRows,
    choose_device,
    choose_precision,
    read_rows,
)


@pytest.mark.parametrize("room", [0, 10**6])
def test_rows(tmp_path, room):
    array = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    rows = DeviceRows(np.load(tmp_path / "a.npy", mmap_mode="r"), torch.device("cpu"), room)
    assert (rows.whole is not None) == (room > 0)
    chosen = np.array([3, 19, 3, 0])
    assert np.array_equal(rows[chosen].numpy(), array[chosen]) and rows[chosen].dtype == torch.uint8


def test_rows_of_parts_of_a_file_are_read_from_it(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 20, 5), dtype=np.uint8)
    np.save(tmp_path / "a.npy", array)
    mapped, rows = np.load(tmp_path / "a.npy", mmap_mode="r"), np.array([3, 19, 3, 0])
    for part in (0, 1, 2):
        assert isinstance(FileRows.of(mapped[part]), FileRows)
        assert np.array_equal(read_rows(mapped[part], rows), array[part][rows])
    tail, flat = mapped[1][7:][5:], mapped.reshape(-1, 5)
    assert np.array_equal(read_rows(tail, rows % 8), array[1][12:][rows % 8])
    assert np.array_equal(read_rows(flat, rows + 30), array.reshape(-1, 5)[rows + 30])
    for other in (mapped[:, 3], mapped[0, ::2], array[0]):  # with gaps, or not in a file
        assert FileRows.of(other) is None
        assert np.array_equal(read_rows(other, rows % 3), np.asarray(other)[rows % 3])


def test_a_cpu_keeps_nothing():
    assert DeviceRows(np.zeros((3, 2)), torch.device("cpu")).whole is None


def test_unknown_devices_are_refused():
    with pytest.raises(ValueError, match="none of auto, cuda, mps and cpu"):
        choose_device("tpu")


@pytest.mark.parametrize(
    "capability, precision", [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float32")]
)
def test_a_gpu_takes_bfloat16_where_it_has_it(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert choose_precision("auto", torch.device("cuda")) == precision
    assert choose_precision("float32", torch.device("cuda")) == "float32"

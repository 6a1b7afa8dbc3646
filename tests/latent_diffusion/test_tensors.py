"""Tensor files prove themselves: any flipped bit is found, files of earlier versions are read."""

import errno
import os

import pytest
import torch
from safetensors.torch import load_file, save_file

from latent_diffusion.tensors import Damaged, holds, load_tensors, prove, save_tensors

TENSORS = {"b.weight": torch.arange(6.0).view(2, 3), "a": torch.tensor([7, 8]), "c": torch.ones(())}


def test_any_flipped_bit_and_any_cut_is_found(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS, {"step": "5"})
    whole = path.read_bytes()
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with pytest.raises(Damaged, match=r"x\.safetensors is damaged"):
            load_tensors(path)
    for length in (0, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged):
            load_tensors(path)
    path.write_bytes(whole)
    tensors, metadata = load_tensors(path)
    assert metadata == {"step": "5"} and holds(path, TENSORS)
    assert not holds(path, {**TENSORS, "a": torch.tensor([7, 9])}) and not holds(path, {})
    assert all(torch.equal(value, tensors[name]) for name, value in TENSORS.items())


def test_others_read_what_is_written_and_what_others_wrote_is_read(tmp_path):
    ours, theirs = tmp_path / "ours.safetensors", tmp_path / "theirs.safetensors"
    save_tensors(ours, TENSORS)
    assert prove(ours) and load_file(ours)["b.weight"].equal(TENSORS["b.weight"])
    save_file(TENSORS, theirs, {"step and averages": "5 0.05"})
    assert not prove(theirs)
    assert load_tensors(theirs)[1] == {"step and averages": "5 0.05"}


def test_equal_tensors_are_equal_files(tmp_path):
    files = [tmp_path / f"{number}.safetensors" for number in range(5)]
    for path in files:
        save_tensors(path, TENSORS, {name: name for name in "abcd"})
    assert len({path.read_bytes() for path in files}) == 1


def test_the_former_file_goes_only_once_the_new_one_was_read_back(tmp_path, monkeypatch):
    """A disk that takes the bytes and gives back others."""
    last, former = tmp_path / "last.safetensors", tmp_path / "previous.safetensors"
    for step in "123":
        save_tensors(last, TENSORS, {"step": step}, former)
    sync = os.fsync

    def rotten(number):
        sync(number)
        os.pwrite(number, b"!", os.fstat(number).st_size - 1)

    monkeypatch.setattr(os, "fsync", rotten)
    with pytest.raises(Damaged):
        save_tensors(last, TENSORS, {"step": "4"}, former)
    assert load_tensors(last)[1]["step"] == "3" and load_tensors(former)[1]["step"] == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == [last.name, former.name]


def test_a_write_that_fails_names_its_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    save_tensors(path, TENSORS)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"x\.safetensors"):
        save_tensors(path, {})
    assert holds(path, TENSORS) and len(list(tmp_path.iterdir())) == 1

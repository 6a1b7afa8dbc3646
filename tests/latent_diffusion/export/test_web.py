"""`ldm export --format web`: what is in the folder, and how weights are stored."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from latent_diffusion.export.web import PAGE, RUNTIME_FILES, export_web, in_float16

OURS = {"index.html", "style.css", "app.js", "worker.js", "noise.js", "samplers.js"}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME_FILES:
        (folder / name).write_text(f"in place of {name}")
    return folder


def test_it_holds_the_page_and_nothing_of_the_user(random_run, runtime, secrets, tmp_path):
    export_web(random_run, tmp_path / "out", runtime)
    found = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    made = {"config.json", "decoder.onnx", "denoiser.onnx"}
    assert found == OURS | made | {f"runtime/{name}" for name in RUNTIME_FILES}
    for name in found:
        content = (tmp_path / "out" / name).read_bytes()
        assert not [secret for secret in secrets if secret in content], name


def test_the_page_asks_nobody_else():
    for path in PAGE.iterdir():
        assert "://" not in path.read_text(), path


def linear(weights: np.ndarray) -> onnx.ModelProto:
    """y = x @ weights, as a model."""
    node = helper.make_node("MatMul", ["x", "weights"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 64]) for name in "xy")
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_weights_are_stored_in_half_and_computed_in_full():
    torch.manual_seed(0)
    weights = torch.randn(64, 64)
    weights[0, 0] = 1e6  # more than a float16 holds
    half = in_float16(linear(weights.numpy()))
    assert len(half.SerializeToString()) < 0.6 * len(linear(weights.numpy()).SerializeToString())
    x = torch.randn(5, 64)
    x[:, 0] = 0
    (y,) = onnxruntime.InferenceSession(half.SerializeToString()).run(None, {"x": x.numpy()})
    expected = x.double() @ weights.half().clamp(-65504, 65504).double()
    np.testing.assert_allclose(y, expected, atol=1e-4)  # in float16 it would be 1e-2
    assert np.abs(y - (x @ weights).numpy()).max() > 1e-4  # and rounded they were


def test_a_runtime_that_cannot_be_had_is_one_line(random_run, tmp_path, ldm, monkeypatch):
    words = ("export", random_run, tmp_path / "out", "--format", "web")
    status, _, errors = ldm(*words, "--runtime", tmp_path)
    assert status == 2 and "has no ort.wasm.min.mjs: give the folder dist/" in errors
    monkeypatch.setattr("shutil.which", lambda name: None)
    status, _, errors = ldm(*words)
    assert status == 2 and "needs npm" in errors and "--runtime FOLDER" in errors
    assert errors.count("\n") == 1 and not (tmp_path / "out").exists()

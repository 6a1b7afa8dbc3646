"""`--format web`: a folder with one page that samples in the browser, for any static server.

Weights lie in it as float16, and are float32 again before anything is computed.
"""

import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from latent_diffusion.export.folder import (
    Files,
    as_json,
    check_free,
    facts_of,
    megabytes,
    student_of,
    write_files,
)
from latent_diffusion.export.networks import exported_networks
from latent_diffusion.pipeline import Pipeline
from latent_diffusion.progress import say

PAGE = Path(__file__).with_name("page")
RUNTIME_PACKAGE = "onnxruntime-web@1.30.0"  # of npm; what the page was tested with
RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
DRAWING = ("decoder", "denoiser")  # the networks that a page needs
WORTHWHILE = 64  # numbers of a tensor from which it is stored as float16


def export_web(
    run: Path, out: Path, runtime: Path | None = None, ema_length: float | None = None
) -> None:
    """Write a run's page to a new folder.

    runtime: a folder of onnxruntime-web's files; None takes them from its npm package. Raise
    ValueError where neither can be had, and where the folder holds something.
    """
    check_free(out)
    pipe = Pipeline.from_run(run, "cpu", "float32", ema_length)
    files: Files = {path.name: path.read_bytes() for path in sorted(PAGE.iterdir())}
    title = run.resolve().name
    fast = student_of(run, pipe)
    files["config.json"] = as_json({"title": title, **facts_of(pipe, fast)})
    parts = runtime_files(runtime)
    for name, exported in exported_networks(pipe, fast, DRAWING):
        files[f"{name}.onnx"] = in_float16(exported.model).SerializeToString()
        say(f"{name}: differs from PyTorch by {exported.difference:.1e} at most, in float32")
    write_files(out, files)
    write_files(out / "runtime", parts)
    say(f"page and networks {megabytes(files):.1f} MB, runtime {megabytes(parts):.0f} MB")


def in_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose larger float32 tensors are stored as float16.

    Each is cast to float32 at its place, once, when the model is loaded.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph, casts = half.graph, []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < WORTHWHILE:
            continue
        name, limits = tensor.name, np.finfo(np.float16)
        stored = values.clip(limits.min, limits.max).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(stored, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for place, cast in enumerate(casts):
        graph.node.insert(place, cast)
    onnx.checker.check_model(half)
    return half


def runtime_files(folder: Path | None) -> Files:
    """Return onnxruntime-web's files by name: of a folder, or else of its npm package.

    Raise ValueError where they are not there, or npm does not give them.
    """
    if folder is not None:
        inside = folder / "dist" if (folder / "dist").is_dir() else folder
        missing = [name for name in RUNTIME_FILES if not (inside / name).is_file()]
        if missing:
            raise ValueError(
                f"{folder} has no {missing[0]}: give the folder dist/ of the npm package "
                f"{RUNTIME_PACKAGE}"
            )
        return {name: (inside / name).read_bytes() for name in RUNTIME_FILES}
    say(f"taking {RUNTIME_PACKAGE} from npm")
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(downloaded(Path(name))) as archive:
            members = {file: archive.extractfile(f"package/dist/{file}") for file in RUNTIME_FILES}
            return {file: member.read() for file, member in members.items() if member}


def downloaded(folder: Path) -> Path:
    """Return the archive of the runtime's npm package, fetched into a folder by npm itself."""
    remedy = f"give --runtime FOLDER with the files of {RUNTIME_PACKAGE}"
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"--format web needs npm, which is not here: install it, or {remedy}")
    words = [npm, "pack", RUNTIME_PACKAGE, "--pack-destination", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True)
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ValueError(f"npm does not give {RUNTIME_PACKAGE} ({said}): {remedy}")
    return found[0]

"""What the sections of the benchmark share: calls timed in turns, and the rows of its report."""

import importlib
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from latent_diffusion.device import autocast, synchronize
from latent_diffusion.run import write_atomic

CLASSES = 11  # of every network that is timed
Call = Callable[[], object]


class Bench:
    """The device, the precision, the sizes and rounds of a benchmark, and its rows so far."""

    def __init__(self, device: torch.device, precision: str, rounds: int, quick: bool):
        self.device, self.precision = device, precision
        self.rounds, self.quick = rounds, quick
        self.rows: list[dict[str, Any]] = []
        self.peak = 0.0  # FLOP/s

    def size(self, quick: int, cpu: int, gpu: int) -> int:
        """Return the one of three sizes that this benchmark takes."""
        if self.quick:
            return quick
        return cpu if self.device.type == "cpu" else gpu

    def times(self, calls: Mapping[str, Call]) -> dict[str, list[float]]:
        """Return the seconds of each call, taken in turns, after one round that does not count."""
        found: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(self.rounds + 1):
            for name, call in calls.items():
                synchronize(self.device)
                start = time.perf_counter()
                call()
                synchronize(self.device)
                if number:
                    found[name].append(time.perf_counter() - start)
        return found

    def inference_times(self, calls: Mapping[str, Call]) -> dict[str, list[float]]:
        """Return the same of calls without gradients, in the precision of the benchmark."""

        def inferring(call: Call) -> Call:
            def run() -> None:
                with torch.inference_mode(), self.cast():
                    call()

            return run

        return self.times({name: inferring(call) for name, call in calls.items()})

    def add_rate(
        self,
        section: str,
        what: str,
        seconds: list[float],
        images: float,
        flops: float | None = None,
        unit: str = "images/s",
    ) -> float:
        """Record the median rate and its spread, and return the rate.

        images: how many one call does; flops: of an image, for the share of the peak.
        """
        rate = images / statistics.median(seconds)
        row = {"section": section, "what": what, "rate": rate, "unit": unit}
        row |= {"low": images / max(seconds), "high": images / min(seconds)}
        told = ""
        if flops:
            share = rate * flops / self.peak
            row |= {"gflop_per_image": flops / 1e9, "mfu": share}
            told = f", MFU {share:.0%}"
        self.rows.append(row)
        print(f"{section}: {what}: {rate:.4g} {unit}{told}", file=sys.stderr)
        return rate

    def add_value(self, section: str, what: str, value: float, unit: str) -> None:
        """Record a figure that has no spread."""
        self.rows.append({"section": section, "what": what, "rate": value, "unit": unit})
        print(f"{section}: {what}: {value:.4g} {unit}", file=sys.stderr)

    def cast(self) -> AbstractContextManager[object]:
        """Return the context in which networks compute in the precision of the benchmark."""
        return autocast(self.device, self.precision)

    def save(self, path: Path | None) -> None:
        """Write the rows so far as JSON, where a path was asked for."""
        if not path:
            return
        record = {
            "machine": machine(self.device),
            "precision": self.precision,
            "torch": torch.__version__,
            "rounds": self.rounds,
            "rows": self.rows,
        }
        write_atomic(path, f"{json.dumps(record, indent=1)}\n".encode())

    def report(self) -> str:
        """Return the rows as a table in Markdown, under a line that says where they are from."""
        version = torch.__version__.split("+")[0]
        lines = [
            f"{machine(self.device)}, {self.precision}, torch {version}, medians of {self.rounds}",
            "",
            "| | | rate | spread | GFLOP an image | MFU |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            spread = f"{row['low']:.4g} .. {row['high']:.4g}" if "low" in row else ""
            work = f"{row['gflop_per_image']:.3g} | {row['mfu']:.0%}" if "mfu" in row else " | "
            rate = f"{row['rate']:.4g} {row['unit']}"
            lines.append(f"| {row['section']} | {row['what']} | {rate} | {spread} | {work} |")
        return "\n".join(lines)


def machine(device: torch.device) -> str:
    """Return what the device is: a GPU's name, or a processor's with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = platform.processor() or platform.machine()
    processors = Path("/proc/cpuinfo")
    if processors.exists():
        for line in processors.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":")[1].strip()
                break
    return f"{name}, {torch.get_num_threads()} threads"


def installed(package: str, left_out: str) -> bool:
    """Return whether a package is there; where it is not, say on stderr what is left out."""
    try:
        importlib.import_module(package)
    except ImportError:
        extra = " (extra bench)" if package == "diffusers" else ""
        print(f"{package} is not installed{extra}: {left_out} is left out", file=sys.stderr)
        return False
    return True

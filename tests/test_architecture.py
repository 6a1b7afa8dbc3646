"""The import directions: libraries know nothing of the system, a room only those below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("autoencoder", "metrics", "latent_diffusion")
# From the top down; a room may import those after it. Files and folders of latent_diffusion.
ROOMS = [
    "__main__",
    "cli",
    "experiments",
    "workflow",
    "export",
    "report",
    "app",
    "studies",
    "submission",
    "verification",
    "evaluation",
    "training",
    "exploration",
    "samples",
    "pipeline",
    "pretrained",
    "inspection",
    "sampling",
    "loading",
    "classifier",
    "ema",
    "denoiser",
    "data",
    "config",
    "tensors",
    "run",
    "lock",
    "parsing",
    "images",
    "distributed",
    "device",
    "subsets",
    "progress",
    "threads",
    "extras",
]


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", ["autoencoder", "metrics"])
def test_libraries_import_no_other_package(package):
    others = {name for name in PACKAGES if name != package}
    for path in (ROOT / package).rglob("*.py"):
        wrong = {name for name in imports(path) if name.partition(".")[0] in others}
        assert not wrong, f"{path} imports {wrong}"


def test_metrics_know_no_networks_and_no_files():
    for path in (ROOT / "metrics").rglob("*.py"):
        assert not {name.partition(".")[0] for name in imports(path)} & {
            "torch",
            "torchvision",
            "pathlib",
            "os",
            "io",
        }, path


def test_each_room_imports_only_rooms_below_it():
    top = ROOT / "latent_diffusion"
    for path in top.rglob("*.py"):
        room = path.relative_to(top).parts[0].removesuffix(".py")
        if room == "__init__" and path.parent == top:
            continue
        assert room in ROOMS, f"{room} is not in the plan of rooms"
        for name in imports(path):
            package, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if package == "latent_diffusion" and target in ROOMS and target != room:
                assert ROOMS.index(target) > ROOMS.index(room), (
                    f"{path} ({room}) imports {name}: that is a room above it"
                )


def test_nothing_at_the_top_level_beyond_the_plan():
    allowed = {"README.md", "pyproject.toml", "LICENSE", *PACKAGES, "configs", "scripts", "tests"}
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    import subprocess

    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {name.split("/")[0] for name in listed if not name.startswith(".")} <= allowed

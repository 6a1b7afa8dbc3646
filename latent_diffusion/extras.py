"""How what this package can do without is installed, wherever the package itself lies."""

import sys
from importlib.metadata import requires
from pathlib import Path

ROOT = Path(__file__).parents[1]


def install(extra: str) -> str:
    """Return the command that installs an extra of this package, to be typed as it is.

    In a checkout it is that of the checkout; elsewhere it names the packages, for no index has this
    one.
    """
    if (ROOT / "pyproject.toml").is_file():
        return f'{sys.executable} -m pip install -e "{ROOT}[{extra}]"'
    needed = [line.split(";") for line in requires("latent-diffusion") or [] if ";" in line]
    names = [
        name.strip() for name, when in needed if f"extra == '{extra}'" in when.replace('"', "'")
    ]
    return f"{sys.executable} -m pip install " + " ".join(f'"{name}"' for name in names)

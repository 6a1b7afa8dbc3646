"""How threads that share the work of a network wait for each other; set before torch is loaded."""

import os

# GNU OpenMP's: turns of a loop, before a thread that waits lets others have its core. By default
# there are so many that beside any other process a training hardly moves.
SPINS = 1_000


def share_cores() -> None:
    """Let other processes have a core while one of this process's threads waits for another.

    What the user has set in the environment stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))

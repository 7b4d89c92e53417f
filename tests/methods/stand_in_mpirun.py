"""Open MPI's mpirun, as far as `accelerate launch` needs it: it counts by other names."""

from __future__ import annotations

import os
import subprocess
import sys

VALUED = ("--hostfile", "-n", "--npernode", "--bind-to")


def main(given: list[str]) -> int:
    """Start the program that follows the options as often as `-n` says."""
    if given == ["--version"]:
        sys.stdout.write("mpirun (Open MPI) 4.1.6\n")
        return 0
    options = {}
    while given[0] in VALUED:
        options[given[0]], given = given[1], given[2:]
    count = options["-n"]

    def named(number: int) -> dict[str, str]:
        own = {"RANK": str(number), "SIZE": count, "LOCAL_RANK": str(number), "LOCAL_SIZE": count}
        return {**os.environ, **{f"OMPI_COMM_WORLD_{name}": value for name, value in own.items()}}

    started = [subprocess.Popen(given, env=named(number)) for number in range(int(count))]
    return max(process.wait() for process in started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

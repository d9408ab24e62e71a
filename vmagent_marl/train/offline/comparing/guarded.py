"""A program that ends with the process that began it, which may be killed and then tells nobody.

python guarded.py PARENT program.py ...
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time

LOOKS = 0.5  # seconds between looks for the parent


def main() -> None:
    """Run the program as its own command line would, and look for the parent meanwhile."""
    parent, file, *words = sys.argv[1:]
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    sys.argv = [file, *words]
    sys.path[0] = os.path.dirname(file)
    runpy.run_path(file, run_name="__main__")


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOKS)
    os._exit(1)


if __name__ == "__main__":
    main()

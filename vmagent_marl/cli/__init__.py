"""The command `vmagent-marl`."""

import sys

INTERRUPTED = 130  # as shells have it


def start() -> None:
    """The command; whoever interrupts it while it still loads sees no traceback either."""
    try:
        from vmagent_marl.cli.main import main
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    main()

"""Runs the functions of modules for the tasks of a queue.

    deferd-worker --queue QUEUE --python MODULE                    each task in a sandbox of its own; starts this program
    python3 -m deferd.worker --unsandboxed --queue QUEUE MODULE    each task in a process of its own, WITHOUT A SANDBOX

MODULE is a module's name, or the path of a .py file, whose functions are then those of __main__.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    library = os.environ.get("DEFERD_WARM_LIBRARY")
    if library is not None and "--unsandboxed" not in given:
        from . import _warm  # and nothing else, which each task's process would carry along

        _warm.serve(given, library)
        return 0
    parser = _parser()
    options = parser.parse_args(given)
    if not options.unsandboxed:
        print("deferd.worker is started by deferd-worker: `deferd-worker --queue QUEUE --python MODULE`. Where there is no"
              " sandbox to be had, `python3 -m deferd.worker --unsandboxed --queue QUEUE MODULE` runs without one.", file=sys.stderr)
        return 2
    from . import _unsandboxed
    from ._durations import seconds

    if not options.queue:
        parser.error("--unsandboxed needs --queue")
    if seconds(options.lease) <= 0 or options.concurrency < 1:
        parser.error("--lease and --concurrency are to be above 0")
    return _unsandboxed.serve(options.modules, queue=options.queue, url=options.server, concurrency=options.concurrency,
                              lease=seconds(options.lease), drain=seconds(options.drain))


def _parser() -> argparse.ArgumentParser:
    import argparse

    from ._values import DEFAULT_URL

    parser = argparse.ArgumentParser("python3 -m deferd.worker", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--unsandboxed", action="store_true", help="no sandbox: tasks can do whatever this user can")
    parser.add_argument("--queue", help="the pull queue")
    parser.add_argument("--server", help=f"$DEFERD_URL, else {DEFAULT_URL}; the API key is $DEFERD_KEY")
    parser.add_argument("--concurrency", type=int, default=os.cpu_count() or 1, help="how many tasks run at once (%(default)s)")
    parser.add_argument("--lease", default="30s", help="renewed while a task runs; after it others get the tasks of a worker that is"
                                                       " gone (%(default)s)")
    parser.add_argument("--drain", default="30s", help="on SIGTERM, how long what runs may take to end (%(default)s)")
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    return parser


if __name__ == "__main__":
    sys.exit(main())

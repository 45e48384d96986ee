"""
The long forms of the scenarios of `tests.e2e.replicas`: `python -m tests.e2e.chaos --seed N [--only NAME …]`.

Prints the seed before it begins, and counts for every scenario; exit code 1 where one fails. It ends by itself.
"""

import argparse
import random
import sys
import time
import traceback

from tests.e2e.chaos.long_forms import LONG_FORMS


def main() -> int:
    """
    Run the scenarios that were asked for, one after the other; return how many failed, at most 1.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--only", nargs="*", choices=LONG_FORMS, help="default: all of them")
    chosen = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if chosen.seed is None else chosen.seed
    say(f"seed {seed}")
    failed = [name for name in chosen.only or LONG_FORMS if not _run(name, seed)]
    say(f"seed {seed}: {'failed: ' + ', '.join(failed) if failed else 'nothing failed'}")
    return 1 if failed else 0


def say(line: str) -> None:
    """
    Print a line at once: a run takes long.
    """
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _run(name: str, seed: int) -> bool:
    began = time.monotonic()
    say(f"{name} …")
    try:
        for line in LONG_FORMS[name](seed):
            say(f"  {line}")
    except (AssertionError, TimeoutError, OSError, KeyError):
        traceback.print_exc()
        say(f"{name}: FAILED after {time.monotonic() - began:.0f} s, seed {seed}")
        return False
    say(f"{name}: passed in {time.monotonic() - began:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())

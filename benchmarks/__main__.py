"""
Run every benchmark: `python -m benchmarks [--quick]`. Further arguments go to `benchmarks.streams`.
"""

import sys

from benchmarks import decoding, dialects, history, page, rendering, streams

QUICK = ["--streams", "50,400", "--seconds", "3", "--rounds", "1"]
QUICK_DIALECTS = ["--seconds", "2", "--whole-seconds", "1", "--rounds", "1"]
QUICK_PAGE = ["--tokens", "60", "--rounds", "1"]
QUICK_HISTORY = ["--sizes", "1000", "--seconds", "2", "--rounds", "1"]


def main() -> int:
    """
    Run them one after the other, since they share the processors.
    """
    words = sys.argv[1:]
    of_dialects: list[str] = []
    if "--quick" in words:
        of_dialects = QUICK_DIALECTS
        words = [*QUICK, *(word for word in words if word != "--quick")]
    print("decoding: what one message costs\n")
    failed = decoding.main()
    print("\nrendering: what one delta costs in each dialect\n")
    failed = rendering.main() or failed
    print("\nstreams: what one token costs from Bedrock to the browser\n")
    failed = streams.main(words) or failed
    print("\ndialects: what a token and a whole answer cost in each\n")
    failed = dialects.main(of_dialects) or failed
    print("\npage: what a token costs in the browser\n")
    failed = page.main(QUICK_PAGE if of_dialects else []) or failed
    print("\nhistory: what kept conversations cost\n")
    return history.main(QUICK_HISTORY if of_dialects else []) or failed


if __name__ == "__main__":
    sys.exit(main())

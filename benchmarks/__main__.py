"""
Run every benchmark: `python -m benchmarks [--quick]`. Further arguments go to `benchmarks.streams`.
"""

import sys

from benchmarks import decoding, streams

QUICK = ["--streams", "50,400", "--seconds", "3", "--rounds", "1"]


def main() -> int:
    """
    Run them one after the other, since they share the processors.
    """
    words = sys.argv[1:]
    if "--quick" in words:
        words = [*QUICK, *(word for word in words if word != "--quick")]
    print("decoding: what one message costs\n")
    failed = decoding.main()
    print("\nstreams: what one token costs from Bedrock to the browser\n")
    return streams.main(words) or failed


if __name__ == "__main__":
    sys.exit(main())

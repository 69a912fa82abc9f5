"""`python -m trading_chaos`."""

import sys

from trading_chaos.command import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m maou`: the command `maou`."""

import sys

from maou.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m resift.cli` is `resift`."""

import sys

from resift.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

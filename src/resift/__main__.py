"""`python -m resift` is `resift`: for where the environment's commands are not on the path."""

import sys

from resift.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m sonant`: the same as the program `sonant`."""

import sys

from sonant.cli import main

sys.exit(main())

"""``python -m lit_seg {fit,validate,test,predict}``."""

import sys

from lit_seg.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -P -s -S child FD`: run one hook, talking to reprobuild through the socket FD."""

import sys
from importlib import import_module

if __name__ == "__main__":
    # This folder is where hooks find `dagger`, ahead of nothing but the standard library.
    import_module("dagger._running").main(int(sys.argv[1]))

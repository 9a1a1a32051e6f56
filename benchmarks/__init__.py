"""Where the figures of the README come from; run with `make bench`."""

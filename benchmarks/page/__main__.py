"""`python -m benchmarks.page`: make all pages from the committed results."""

from benchmarks.page import write

write()

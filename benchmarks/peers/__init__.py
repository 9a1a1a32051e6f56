"""The pair job on other stream processors, beside ours, in one harness; run with `make bench-peers`.

One program for each system, set up as its own documentation advises, and an outside watcher that cannot tell them
apart: it reads the output topic, checks it, and looks at the CPU of the process and its children. The Python ones
run in environments of their own under `.cache/peers/`, so none of this is in ours.
"""

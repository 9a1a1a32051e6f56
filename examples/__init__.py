"""Real data, mapped to the facts this project reads. Belongs here: data with its licence, and the mapping.

Nothing in `schemas`, `streams` or `agents` may import this package except the demo command, which finds it beside the
three packages in a clone.
"""

"""What all benchmarks share: results as files, facts about the machine, pinned processes, a broker with a bare loop."""

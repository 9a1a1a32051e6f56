"""Faults from outside, into real workers on a real Kafka, and oracles that say whether anything is wrong afterwards.

`arena.py` is where a scenario takes place: topics, seeded load (`load.py`), supervised workers (`supervision.py`), the
oracle (`oracle.py`) and the proof that each fault fell into the midst of work. Scenarios are the `test_*` modules; what
they print, and all that docs/reliability.md says, comes from `report.py`.

`make test` runs the simulation and the slice; `make faults` everything. `FAULTS_SEED` repeats a run.
"""

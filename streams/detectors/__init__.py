"""Detectors: numbers only, they know no people.

Belongs here: sequential tests and what they learn from, as compact state plus functions of it. They see instants,
counts and exposures, and say when something changed and by how much.

Does not belong here: what counts as a submission, who is told, which words are used (`streams.rules`), and where
state is kept (`streams.state`).
"""

"""Ingest: inbound topics → one ordered journal, dead letters and source progress.

Belongs here: the order in which sources are merged, what is said about their progress, when a source stops, and the
Faust agent that applies those decisions. Everything that decides (`merge`, `progress`, `limits`, `intake`, `control`)
is pure; `agent`, `pump`, `scout`, `writer` and `repair` have the effects. What a record means belongs in
`schemas.codec`, what a fact means in `streams`.
"""

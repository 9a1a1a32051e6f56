"""The demo: embedded broker, worker, a year of real data, and a screen to watch it on.

Belongs here: what `ebb demo` starts, feeds, records and shows. It uses the worker as anybody would, as processes
of their own, ingest and engine, that are spoken to through Kafka and their ports; only `agents.cli` imports it.
"""

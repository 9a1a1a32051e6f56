"""The demo: embedded broker, worker, a year of real data, and a screen to watch it on.

Belongs here: what `ebb demo` starts, feeds, records and shows. It uses the worker as anybody would, as a process of its
own that is spoken to through Kafka and its port; only `agents.cli` imports it.
"""

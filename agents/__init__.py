"""The imperative shell: everything that touches Kafka, clocks, mail, disk or the network.

Belongs here: the Faust apps and what knows Faust's and Kafka's insides (`host`), decoding at the edge (`ingest`), the
feeding of the engine (`engine`), settings, metrics, logs, health, recordings, notifier, console and command line.

Does not belong here: any decision. What a fact means, when a rule speaks and who may be told is decided by pure
functions in `streams`; what a record looks like on a topic is said in `schemas`. A module here gathers, calls one of
those functions, and applies the outcome.
"""

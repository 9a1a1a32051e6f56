"""What we remember, and how it is stored.

Belongs here: the records of a pair, a participant and a program, the memory of event ids, the table that holds them
with their timers. A record is a `msgspec.Struct` stored as a MessagePack array whose first element is its schema
version: later code reads older records, older code refuses newer ones.

Does not belong here: what a fact does to a record (`streams.fold`) and what to think of it (`streams.rules`).
"""

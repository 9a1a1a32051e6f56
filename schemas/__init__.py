"""What crosses a topic: the shapes of every record Ebb reads or writes, and nothing that decides.

What belongs here: one module per topic with frozen pydantic models for the edge, their ``msgspec`` twins for the hot
path (`facts`, `journal`), the topic catalogue (`topics`), the codec from bytes to validated values (`codec`), steps
from an old schema version to the next (`upcasts`), and the AsyncAPI document generated from all of it (`asyncapi`).

What does not: what a fact means (that is `streams`), and anything that touches a broker, a clock, a disk or a log
(that is `agents`). Nothing in this package does I/O, reads a clock or draws a random number.
"""

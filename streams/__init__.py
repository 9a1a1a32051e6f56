"""What events mean: the functional core.

Belongs here: everything that decides. Given the state of one journal partition and one journal entry, what changes and
which interventions come out. Functions of their arguments only: no clock is read, nothing is sent, nothing is drawn at
random, and iteration has a stated order, so a replay next year gives today's answer.

Does not belong here: bytes on a topic (`schemas`), brokers, clocks, files and people (`agents`).
"""

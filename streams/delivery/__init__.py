"""Notification policy: who is told what, when, and why not.

Belongs here: routing, quiet hours, digests, grouping, budgets, reminders, and the ledger of what was said to whom
(`desk`). Everything is a function of records, of what the delivery log says, and of an instant that is handed in; so a
backtest can tell how many messages a coordinator would have got. `current` is for other readers of `interventions`.

Does not belong here: sending, rendering, addresses and secrets, Kafka and clocks (`agents.notifier`). Inhibition is the
engine's: what it withholds arrives here as `delivery: none`.
"""

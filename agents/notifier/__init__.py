"""The notifier: takes interventions to people. Policy is `streams.delivery`; here is everything that has effects.

Not a Faust app: one process at a time owns all partitions of `interventions`, because a digest, a budget and a quiet
hour belong to a person and not to a partition. What Faust would host (agents per partition) is what has to be avoided.
"""

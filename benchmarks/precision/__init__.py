"""How often the rules are right: made-up platforms and real data, scored against what became of the pairs."""

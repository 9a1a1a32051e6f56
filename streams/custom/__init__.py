"""Rules that a rule set defines itself: a typed CEL expression over declared facts and counts, without code.

Here belong: what an expression may read (`readings`), how it is checked and bounded (`expression`, `tree`), and the
rule that asks it (`rule`). Not here: the life of what it opens, which is that of any rule (`streams.lifecycle`), and
the rule file (`streams.ruleset`).
"""

from streams.custom.expression import ExpressionError
from streams.custom.rule import (
    FIRST_CODE,
    MAX_RULES,
    PREFIX,
    CustomParams,
    CustomRule,
    check_id,
    define,
    is_custom,
    restore,
)

__all__ = [
    "FIRST_CODE",
    "MAX_RULES",
    "PREFIX",
    "CustomParams",
    "CustomRule",
    "ExpressionError",
    "check_id",
    "define",
    "is_custom",
    "restore",
]

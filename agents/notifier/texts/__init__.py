"""Texts for people, one file per language, every text in one place."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

FALLBACK: Final = "en"


class Texts:
    """The texts of one language; what it lacks is English."""

    def __init__(self, language: str) -> None:
        self.language = language if _tree(language) else FALLBACK
        self._trees = [tree for tree in (_tree(self.language), _tree(FALLBACK)) if tree]

    def __call__(self, table: str, name: str | None, **values: Any) -> str:
        """Fill in a text; a name that no language has is shown as it is."""
        key = name or "none"
        found = next((tree[table][key] for tree in self._trees if key in tree.get(table, {})), key)
        return str(found).format_map(values)


@lru_cache
def texts(language: str) -> Texts:
    """The texts of a language, or English ones where there is no such file."""
    return Texts(language)


@lru_cache
def _tree(language: str) -> dict[str, Any]:
    if not language.replace("-", "").isalnum():
        return {}
    file = files("agents.notifier.texts").joinpath(f"{language}.toml")
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}

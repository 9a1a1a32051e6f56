"""Pieces of an HTML page that needs nothing but itself: no script, no font, no network; light and dark."""

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from msgspec import Struct

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6472; --line: #d9dde3; --paper: #fff; --card: #f5f6f8;
  --here: #1668b8; --there: #c0651a; --good: #1d7a46; --bad: #b3261e }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa4b2; --line: #363d48; --paper: #14181f;
  --card: #1d232c; --here: #6db3f2; --there: #f0a35e; --good: #6cc995; --bad: #f28b82 } }
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 70rem;
  margin: 0 auto; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.5rem; margin: 0 0 .5rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem }
p { max-width: 46rem } .soft, caption, figcaption { color: var(--soft); font-size: .9rem }
.verdict { font-size: 1.12rem; border-left: .25rem solid var(--here); padding: .1rem 0 .1rem .9rem; margin: 1rem 0 }
.scroll { overflow-x: auto; margin: .6rem 0 } table { border-collapse: collapse; min-width: 100% }
caption { text-align: left; caption-side: bottom; padding-top: .4rem }
th, td { padding: .3rem .5rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { font-weight: 600; font-size: .9rem } td.number, th.number { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums } td.text { overflow-wrap: anywhere; min-width: 8rem }
@media (min-width: 45rem) { td.text:first-child { white-space: nowrap } }
code { font: .88em/1.4 ui-monospace, monospace; overflow-wrap: anywhere }
pre { background: var(--card); padding: .7rem .9rem; overflow-x: auto; border-radius: .3rem }
figure { margin: 1rem 0; overflow-x: auto } svg { width: 100%; min-width: 34rem; height: auto; display: block }
figcaption { position: sticky; left: 0 }
.key { display: inline-block; width: .8em; height: .8em; border-radius: .15em; margin: 0 .35em 0 .9em }
.key.here { background: var(--here); margin-left: 0 } .key.there { background: var(--there) }
.better { color: var(--good) } .worse { color: var(--bad) }
article { background: var(--card); border-radius: .4rem; padding: .7rem .9rem; margin: .6rem 0 }
article h4 { margin: 0 0 .3rem; font-size: .95rem; overflow-wrap: anywhere }
article ul { margin: .3rem 0; padding-left: 1.2rem }
article p { margin: .3rem 0 }
"""

_JOINT: Final = re.compile(r"(?<=[a-z][._])(?=[a-z])")
"""Within a name: behind a dot or an underscore."""


class Column(Struct, frozen=True):
    """A column of a table: its head, and whether it holds numbers (set to the right)."""

    head: str
    is_number: bool = True


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    return "\n".join(
        (
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<style>{STYLE}</style></head><body><main>",
            *body,
            "</main></body></html>\n",
        )
    )


def heading(text: str) -> str:
    """A section's heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is one of the style's classes."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table that scrolls by itself where it is too wide."""
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "".join(f"<th{_cell(column)}>{escape(column.head)}</th>" for column in columns)
    lines = [f'<div class="scroll"><table>{told}', f"<thead><tr>{head}</tr></thead><tbody>"]
    for row in rows:
        cells = zip(columns, row, strict=True)
        lines.append(
            "<tr>" + "".join(f"<td{_cell(column)}>{_breakable(cell)}</td>" for column, cell in cells) + "</tr>"
        )
    return "\n".join((*lines, "</tbody></table></div>"))


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and texts."""
    return table((Column("What", is_number=False), Column("Value", is_number=False)), rows)


def columns(*heads: str, text: int = 1) -> tuple[Column, ...]:
    """Columns, the first `text` of which hold text and the others numbers."""
    return tuple(Column(head, is_number=number >= text) for number, head in enumerate(heads))


def number(value: float | None, digits: int = 0) -> str:
    """A number for people; a dash for none."""
    return "–" if value is None else f"{value:,.{digits}f}"


def percent(value: float | None) -> str:
    """A share for people; a dash for none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def figure(drawing: str, caption: str) -> Iterator[str]:
    """A drawing with its caption, HTML both; nothing where there is no drawing."""
    if drawing:
        yield f"<figure>{drawing}<figcaption>{caption}</figcaption></figure>"


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _breakable(text: str) -> str:
    """Text; a name breaks at its joints, and not in the middle of a word, where its column is narrow."""
    return escape(text) if " " in text else _JOINT.sub("<wbr>", escape(text))


def _cell(column: Column) -> str:
    return _class("number" if column.is_number else "text")


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""

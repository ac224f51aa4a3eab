"""Parts of a page: one HTML file that needs nothing else, readable from disk, on paper, in the dark and without scripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib import resources

from neurosim.report.figure import scripts

STYLE = resources.files("neurosim") / "report" / "style.css"


def document(title: str, first: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole document: what stands below the title, and (title, body) of every section."""
    body = first + "".join(section(name, text) for name, text in sections)
    links = "".join(f'<li><a href="#{anchor(name)}">{escape(name)}</a></li>' for name, _ in sections)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
        "<noscript><style>.canvas { display: none; }</style></noscript></head>"
        f'<body><a class="skip" href="#content">Skip to the content</a><header><h1>{escape(title)}</h1>'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav></header><main id="content" tabindex="-1">{body}</main>'
        + (scripts() if '<figure class="plot"' in body else "")
        + "</body></html>\n"
    )


def anchor(title: str) -> str:
    """The address of a section within its page."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def section(title: str, body: str) -> str:
    name = anchor(title)
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(title)}</h2>{body}</section>'


def paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def bullets(items: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(x)}</li>" for x in items) + "</ul>"


def table(head: list[str], rows: list[list[str]], caption: str = "", left: bool = False) -> str:
    """First column left, the others right, or *left* too; cells are escaped. What HTML lets us leave out is left out."""
    top = "".join(f'<th scope="col">{escape(h)}</th>' if h else "<td></td>" for h in head)
    body = "".join(f'<tr><th scope="row">{escape(r[0])}' + "".join(f"<td>{escape(c)}" for c in r[1:]) for r in rows)
    words, kind = f"<caption>{escape(caption)}</caption>" if caption else "", ' class="left"' if left else ""
    region = f'<div class="wide" tabindex="0" role="group" aria-label="{escape(caption or head[0] or "table")}">'
    return f"{region}<table{kind}>{words}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def folded(summary: str, body: str) -> str:
    """A part that is shown when it is asked for."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def beside(*figures: str, broad: bool = False) -> str:
    """Figures side by side where there is room; *broad* ones need more."""
    return f'<div class="figures{" broad" if broad else ""}">{"".join(figures)}</div>'


def cards(tiles: Sequence[tuple[str, str, str]]) -> str:
    """(name, value, what it means) in large print."""
    found = "".join(
        f'<div class="card"><dt>{escape(n)}</dt><dd class="value">{escape(v)}</dd><dd>{escape(d)}</dd></div>'
        for n, v, d in tiles
    )
    return f'<dl class="cards">{found}</dl>'

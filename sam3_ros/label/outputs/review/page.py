"""The review sheet's HTML: one page without scripts or anything from elsewhere but its pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from sam3_ros.label.outputs.review.summary import BINS, Counts
from sam3_ros.label.results import Category, RunResults

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1260px; padding: 0 1em;
  color: #1c1c1c; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2.2em; border-top: 1px solid #ccc;
  padding-top: .8em; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: .6em 2em .6em 0; }
td, th { padding: .15em .9em .15em 0; text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
th { font-weight: 600; border-bottom: 1px solid #999; }
.figures { display: flex; flex-wrap: wrap; align-items: flex-start; }
img { max-width: 100%; height: auto; } svg text { font-size: 11px; fill: #555; }
.missing { color: #a00; } .few { color: #555; }
@media (prefers-color-scheme: dark) { body { color: #e4e4e4; background: #1b1b1b; }
  svg text { fill: #aaa; } .few { color: #aaa; } .missing { color: #f88; } }
"""
_BAR, _HEIGHT, _FOOT = 16, 90, 18


def head(results: RunResults, total: Counts, sources: int) -> str:
    """Return the page up to the first source: what was labelled, all sources together."""
    facts = (
        f"{_count(sources, 'source')}, {_count(total.frames, 'frame')} answered, "
        f"{total.failed:,} not; bundle {results.bundle_name} "
        f"({results.bundle_sha256[:12]}), sam3_ros {results.version}"
    )
    # Of a single source its section tells the same.
    of_all = f"{figures(total, results.categories, results.is_tracked)}\n" if sources > 1 else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Labels: review</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Labels: review</h1>\n<p>{text(facts)}</p>\n{of_all}"
        '<p class="few">Of each source the frames whose least certain object is most certain '
        "(best), those where it is least certain (worst), and some by chance. The number is the "
        "score of that object.</p>\n"
    )


def section(name: str, counts: Counts, results: RunResults, sheet: str | None, missing: str) -> str:
    """Return what the page says of a source.

    sheet: the file of its pictures, None if it has none. missing: why some are not in it.
    """
    told = f"{_count(counts.frames, 'frame')} answered" + (
        f', <span class="missing">{counts.failed:,} not</span>' if counts.failed else ""
    )
    picture = (
        f'<p><img src="{text(sheet)}" alt="frames of {text(name)}" loading="lazy"></p>\n'
        if sheet
        else ""
    )
    reason = f'<p class="missing">Pictures are missing: {text(missing)}</p>\n' if missing else ""
    return (
        f"<section>\n<h2>{text(name)}</h2>\n<p>{told}</p>\n"
        f"{figures(counts, results.categories, results.is_tracked)}\n{reason}{picture}</section>\n"
    )


def foot() -> str:
    """Return the end of the page."""
    return "</body>\n</html>\n"


def text(words: str) -> str:
    """Return words as HTML, in elements and in attributes; bytes that are no text are named."""
    return escape(words.encode("utf-8", "backslashreplace").decode())


def figures(counts: Counts, categories: Sequence[Category], is_tracked: bool) -> str:
    """Return the table by prompt and the histogram of scores."""
    heads = ["prompt", "objects", "frames with it", *(["tracks"] if is_tracked else [])]
    rows = []
    for each in categories:
        numbers = [counts.objects[each.prompt_id], counts.frames_with[each.prompt_id]]
        numbers += [counts.tracks[each.prompt_id]] if is_tracked else []
        cells = "".join(f"<td>{number:,}</td>" for number in numbers)
        rows.append(f"<tr><td>{text(each.label)}</td>{cells}</tr>")
    table = "".join(f"<th>{head}</th>" for head in heads)
    return (
        f'<div class="figures"><table><tr>{table}</tr>\n'
        + "\n".join(rows)
        + f"</table>\n{histogram(counts.all_scores)}</div>"
    )


def histogram(scores: Counter[int]) -> str:
    """Return an SVG of how many objects have which score, from 0 to 1."""
    highest = max(scores.values(), default=0)
    width, height = BINS * _BAR, _HEIGHT + _FOOT
    bars = []
    for number in range(BINS):
        tall = round(_HEIGHT * scores[number] / highest, 1) if highest else 0
        title = f"{number / BINS:.2f} to {(number + 1) / BINS:.2f}: {scores[number]:,}"
        bars.append(
            f'<rect x="{number * _BAR + 1}" y="{_HEIGHT - tall:g}" width="{_BAR - 2}" '
            f'height="{tall:g}" fill="#4a7db5"><title>{title}</title></rect>'
        )
    axis = (
        f'<line x1="0" y1="{_HEIGHT}" x2="{width}" y2="{_HEIGHT}" stroke="#888"/>'
        f'<text x="0" y="{height - 4}">0</text>'
        f'<text x="{width / 2:g}" y="{height - 4}" text-anchor="middle">score, most: '
        f"{highest:,}</text>"
        f'<text x="{width}" y="{height - 4}" text-anchor="end">1</text>'
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="histogram of scores">{"".join(bars)}{axis}</svg>'
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"

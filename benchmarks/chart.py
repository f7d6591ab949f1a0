"""Draw the results as one SVG for the README: each row against its goal."""

WIDTH, ROW, LABEL, TOP = 760, 34, 330, 40
GOOD, BAD = "#2e7d4f", "#ab1f17"


def position(value, goal, better):
    """Return the length of a bar from 0 to 1; a value that equals the goal has 0.5."""
    ratio = value / goal if better == ">=" else goal / max(value, goal / 100)
    return min(1.0, ratio / 2)


def draw(results):
    """Return the SVG of the rows of ``results.json``."""
    width = WIDTH - LABEL - 110
    middle = LABEL + width / 2
    height = TOP + ROW * len(results) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{middle}" y="20" text-anchor="middle" fill="#566072">goal</text>',
        f'<text x="{LABEL + width}" y="20" text-anchor="end" fill="#566072">better &#8594;</text>',
    ]
    for number, result in enumerate(results):
        y = TOP + ROW * number
        reached = result["reached"]
        length = width * position(result["value"], result["goal"], result["better"])
        parts += [
            f'<text x="10" y="{y + 15}" fill="#1b2330">{result["id"]}  {result["what"]}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{width}" height="20" fill="#eef0f3"/>',
            f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="20" '
            f'fill="{GOOD if reached else BAD}"/>',
            f'<text x="{LABEL + width + 8}" y="{y + 15}" fill="#1b2330">'
            f"{result['value']:.3g} ({result['better'].replace('>', '≥').replace('<', '≤')[0]} "
            f"{result['goal']:g})</text>",
        ]
    parts.append(
        f'<line x1="{middle}" y1="26" x2="{middle}" y2="{height - 8}" stroke="#1b2330" '
        'stroke-dasharray="4 3"/>'
    )
    return "\n".join([*parts, "</svg>", ""])

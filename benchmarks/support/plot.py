# SPDX-License-Identifier: MIT
"""Line plots as SVG, without a library."""
import html

WIDTH, HEIGHT = 420, 190
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 14, 38


class Panel:
    """One pair of axes. A line is a list of (x, y); `marks` are (x, text), drawn as vertical lines."""

    def __init__(self, title, x_label, lines, marks=(), top=None):
        self.title, self.x_label, self.lines, self.marks = title, x_label, lines, marks
        points = [point for line in lines for point in line]
        self.begin, self.end = min(x for x, _ in points), max(x for x, _ in points)
        self.top = top or max(max(y for _, y in points), 1e-9) * 1.05

    def x(self, value):
        return LEFT + (value - self.begin) / (self.end - self.begin) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)

    def draw(self):
        yield text(LEFT, 18, self.title, weight="bold")
        yield text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, self.x_label, anchor="middle")
        for value in ticks(0, self.top):
            yield line(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), "#ddd")
            yield text(LEFT - 6, self.y(value) + 4, f"{value:,.10g}", anchor="end")
        for value in ticks(self.begin, self.end):
            yield text(self.x(value), HEIGHT - BOTTOM + 15, f"{value:.10g}", anchor="middle")
        for value, label in self.marks:
            yield line(self.x(value), TOP, self.x(value), HEIGHT - BOTTOM, "#c33", "4 3")
            yield text(self.x(value) + 4, TOP + 10, label, fill="#c33")
        for points in self.lines:
            path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
            yield f'<polyline points="{path}" fill="none" stroke="#1b6ca8" stroke-width="1.6"/>'


def ticks(begin, end):
    """About five round values."""
    step = 10.0 ** len(str(int((end - begin) * 1000))) / 1000
    while (end - begin) / step < 4:
        step /= 2 if (end - begin) / step >= 2 else 2.5 if (end - begin) / step >= 1.6 else 5
    first = -int(-begin // step) if begin > 0 else int(begin / step)
    return [round(i * step, 6) for i in range(first, int(end / step + 1e-9) + 1)]


def text(x, y, words, anchor="start", weight="normal", fill="#333"):
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-weight="{weight}" fill="{fill}">{html.escape(words)}</text>'


def line(x1, y1, x2, y2, color, dashes="none"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-dasharray="{dashes}"/>'


def svg(rows):
    """Panels in rows and columns."""
    width, height = WIDTH * max(len(row) for row in rows), HEIGHT * len(rows)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for j, row in enumerate(rows):
        for i, panel in enumerate(row):
            parts += [f'<g transform="translate({i * WIDTH},{j * HEIGHT})">', *panel.draw(), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"

"""Histograms as SVG that takes its colours from the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 300, 170
_LABEL_WIDTH, _SIGN_WIDTH = 36, 18
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 26, 26


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins.

    Attributes
    ----------
    title
        What the values are, with their unit.
    edges : (B + 1,)
        Edges of the bins; what lies beyond the last edge is counted in the last bin.
    counts : (B,)
    median
        Median of the values.
    ticks
        Values to write at the axis; the last one stands for everything above it if there is any.
    overflow
        Whether values lie beyond the last edge.
    """

    title: str
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    median: float
    ticks: Sequence[float]
    overflow: bool

    @staticmethod
    def of(
        title: str, values: NDArray[np.number], edges: NDArray[np.float64], ticks: Sequence[float]
    ) -> Histogram:
        """Count `values` between `edges`."""
        clipped = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
        return Histogram(
            title=title,
            edges=edges,
            counts=np.histogram(clipped, edges)[0],
            median=float(np.median(values)) if len(values) else float("nan"),
            ticks=ticks,
            overflow=bool((values > edges[-1]).any()),
        )

    @property
    def svg(self) -> Markup:
        """The histogram as an SVG element, with a line at the median."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        tallest = max(1, int(self.counts.max(initial=0)))

        def x(value: float) -> float:
            return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

        base, span = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
        bars = "".join(
            f"M{x(a) + 0.5:.1f} {base}V{base - span * count / tallest:.1f}H{x(b) - 0.5:.1f}V{base}Z"
            for a, b, count in zip(self.edges[:-1], self.edges[1:], self.counts, strict=True)
            if count
        )
        room = _LABEL_WIDTH + (_SIGN_WIDTH if self.overflow else 0)
        labels = "".join(
            f'<text x="{x(tick):.1f}" y="{_HEIGHT - 8}" text-anchor="{_anchor(x(tick))}">'
            f"{'≥ ' if self.overflow and tick == self.ticks[-1] else ''}{tick:g}</text>"
            for tick in self.ticks
            if tick == self.ticks[-1] or x(self.ticks[-1]) - x(tick) > room
        )
        middle = min(x(self.median), _WIDTH - _RIGHT) if self.counts.any() else None
        median = (
            f'<path class="median" d="M{middle:.1f} {_TOP - 6}V{base}"/>'
            f'<text class="strong" x="{middle:.1f}" y="{_TOP - 12}" text-anchor="{_anchor(middle, 60)}">'
            f"median {self.median:.3g}</text>"
            if middle is not None
            else ""
        )
        spoken = f"Histogram of {self.title}: " + (f"median {self.median:.3g}" if median else "no values")
        return Markup(
            f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{Markup.escape(spoken)}">'
            f'<path class="bars" d="{bars}"/><path class="axis" d="M{_LEFT} {base}H{_WIDTH - _RIGHT}"/>'
            f"{labels}{median}</svg>"
        )


def track_length_histogram(track_length: NDArray[np.int64]) -> Histogram:
    """Return how many images see the points, a bin a number."""
    longest = int(np.clip(np.percentile(track_length, 99), 8, 40)) if len(track_length) else 8
    every = 2 if longest <= 14 else 5
    ticks = [2, *range(2 * every, longest - every // 2, every), longest]
    return Histogram.of("images a point is seen in", track_length, np.arange(1.5, longest + 1), ticks)


def error_histogram(error_px: NDArray[np.float64]) -> Histogram:
    """Return the reprojection errors of the points."""
    return _continuous("reprojection error (px)", error_px)


def angle_histogram(angles_deg: NDArray[np.float64]) -> Histogram:
    """Return the triangulation angles of the points."""
    return _continuous("triangulation angle (degrees)", angles_deg)


def _continuous(title: str, values: NDArray[np.float64]) -> Histogram:
    """Return a histogram from 0 to nearly the largest of `values`, in steps that read well."""
    high = max(float(np.percentile(values, 99)), 1e-3) if len(values) else 1.0
    step = _round_step(high / 5)
    ticks = np.arange(0, high + step, step)
    edges = np.linspace(0, ticks[-1], 6 * (len(ticks) - 1) + 1)
    return Histogram.of(title, values, edges, ticks.round(6).tolist())


def _round_step(length: float) -> float:
    """Return the 1, 2 or 5 times a power of ten that is nearest to `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(
        min((power * factor for factor in (1, 2, 5, 10)), key=lambda step: abs(np.log(step / length)))
    )


def _anchor(x: float, margin: float = 14) -> str:
    """Return where SVG text at `x` has to be held so that it stays inside the chart."""
    return "start" if x < margin else "end" if x > _WIDTH - margin else "middle"

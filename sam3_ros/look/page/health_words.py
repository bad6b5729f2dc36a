"""Health in a few words: what the head of the page and its list of figures say."""

from __future__ import annotations

from sam3_ros.look.viewing import ViewedHealth

#: States that need no attention; all others are shown as something that is wrong.
GOOD_STATES = ("active",)
#: States that pass by themselves.
PASSING_STATES = ("loading", "configuring", "activating")
_UNKNOWN = "-"
#: Frames a second; less would be read as 0.0.
_LEAST_RATE = 0.05


def tone_of(health: ViewedHealth) -> str:
    """Return "good", "passing" or "bad"."""
    if any(trouble.serious for trouble in health.troubles):
        return "bad"
    if health.state in GOOD_STATES:
        return "good"
    return "passing" if health.state in PASSING_STATES else "bad"


def speed(health: ViewedHealth) -> str:
    """Return frames a second and latency in one line, empty while neither is known."""
    parts = []
    if (health.frames_per_second or 0.0) >= _LEAST_RATE:  # a photo has none
        parts.append(f"{health.frames_per_second:.1f} frames/s")
    if health.latency_median_ms is not None:
        p95 = "" if health.latency_p95_ms is None else f", p95 {health.latency_p95_ms:.0f}"
        parts.append(f"{health.latency_median_ms:.0f} ms{p95}")
    return "  ".join(parts)


def model(health: ViewedHealth) -> str:
    """Return model, backend and precision in one line."""
    return "  ".join(filter(None, (health.model, health.backend, health.precision)))


def figures(health: ViewedHealth) -> tuple[tuple[str, str], ...]:
    """Return all figures with their names, in the order in which they are shown."""
    drops = ", ".join(f"{reason} {count:,}" for reason, count in health.drops)
    return (
        ("State", health.state or _UNKNOWN),
        ("Source", health.source or _UNKNOWN),
        ("Model", health.model or _UNKNOWN),
        ("Backend", health.backend or _UNKNOWN),
        ("Precision", health.precision or _UNKNOWN),
        ("Frames a second", _number(health.frames_per_second, 1)),
        ("Latency, median", _milliseconds(health.latency_median_ms)),
        ("Latency, p95", _milliseconds(health.latency_p95_ms)),
        ("Dropped", drops or "none"),
        ("Last error", health.last_error or "none"),
    )


def _number(value: float | None, digits: int) -> str:
    return _UNKNOWN if value is None else f"{value:.{digits}f}"


def _milliseconds(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0f} ms"

"""Does an effect outlast an intervention by more than music's own continuity?

When steering stops, the music does not jump back: what sounds now resembles what sounded a second
ago. An effect in a later window is therefore no evidence that the model "planned" anything. Three
comparisons, per feature j, seed s and window w after the stop:

a. *Position and identity.* g_w(j, s) is the measure in window w of the steered clip less that in
   the same window of the unsteered clip of the same seed and prompt (with several doses: the slope
   of that difference over α, see `pipeline.steering.slopes`). g_0 is the same for the last window
   before the stop, g_−1 for the one before that.
b. *Any disturbance persists.* r_w(d, j, s) is the same for random direction d, stopped at the same
   time; the lengths of the directions are spread as those of the features' vectors are. The effect
   above random is mean g_w − mean r_w.
c. *Local continuity.* How far a window is moved depends on how far the last one before the stop
   was. Among random directions

       r_w(d, j, s) = a(j, s) + b · r_0(d, j, s) + ε,

   and the adjusted effect is what the features' later windows have beyond this line,

       e_w = mean over j, s of [g_w(j, s) − a(j, s) − b g_0(j, s)].

   If a feature moves the last window further than random directions do and the rest is continuity,
   e_w is 0.

*Why b is not estimated by least squares.* One window is a noisy measure of what is going on, and
noise in r_0 makes the slope of least squares too small (attenuation), so that continuity would be
taken for an effect. The window before the last one is the instrument:

    b = Σ r̃_−1 r̃_w / Σ r̃_−1 r̃_0,   r̃ = r less its mean over directions at the same (j, s),

whose noise is independent of that of r_0 and r_w. For a state that decays by φ per window b is φ^w
whatever the noise. Where a state has a fast and a slow part, the instrument follows the slow one,
b comes out large, and e_w small: an error on the side of claiming nothing. Without an instrument
that predicts r_0 (first-stage F under `STRONG`, Staiger and Stock, 1997) there is no e_w.

*Intervals* are those of `pipeline.steering.slopes.clustered`: crossed clusters of features and
seeds, plus the directions'. The uncertainty of b enters by its influence: with Δ = mean g_0 −
mean r_0, S = Σ r̃_−1 r̃_0 and N terms in it, each r_w − b r_0 gets Δ N r̃_−1 ε̃ / S added, which has
mean 0 and the variance that b's error gives to e_w.

The line is used beyond the moves that random directions made if a feature moves the last window
further than any of them: `inside` says for what share of (j, s) that is not so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.steering.slopes import Mean, clustered, student_mean

STRONG = 10.0
"""First-stage F from which the instrument counts as strong enough."""


@dataclass(frozen=True)
class Moves:
    """How far windows were moved, over whatever axes."""

    before: np.ndarray
    """g_−1: the window before the last one under the intervention."""
    last: np.ndarray
    """g_0: the last window under the intervention."""
    later: np.ndarray
    """g_w: the window after the stop."""


@dataclass(frozen=True)
class Continuity:
    """What is left of an effect when continuity is taken out."""

    persistence: Mean
    """b, with its interval clustered by direction."""
    strength: float
    """First-stage F of the instrument, clustered by direction."""
    inside: float
    adjusted: Mean | None
    """e_w; None where the instrument is weak."""


def beyond_continuity(own: Moves, random: Moves) -> Continuity:
    """e_w of features' moves [feature, seed] beside those of random directions [direction, feature,
    seed]."""
    # 1) Deviations from the mean over directions: the unsteered clip, which all share, drops out.
    before, last, later = (
        one - one.mean(axis=0) for one in (random.before, random.last, random.later)
    )
    # 2) b, and how well the instrument predicts the last window.
    total = float((before * last).sum())
    if total == 0:
        return Continuity(_NOTHING, 0.0, 0.0, None)
    b = float((before * later).sum()) / total
    residual = later - b * last
    influence = before * residual / total
    strength = _first_stage(before, last)
    inside = (own.last >= random.last.min(axis=0)) & (own.last <= random.last.max(axis=0))
    # 3) The features' excess over the line, with the uncertainty of b in the directions' part.
    shift = float(own.last.mean() - random.last.mean())
    beyond = random.later - b * random.last + shift * influence.size * influence
    return Continuity(
        persistence=student_mean(b, _variance(influence), len(influence) - 1),
        strength=strength,
        inside=float(inside.mean()),
        adjusted=clustered(own.later - b * own.last, beyond) if strength >= STRONG else None,
    )


def _first_stage(before: np.ndarray, last: np.ndarray) -> float:
    """F of the regression of the last window on the one before it, clustered by direction."""
    squares = float(np.square(before).sum())
    slope = float((before * last).sum()) / squares
    variance = _variance(before * (last - slope * before) / squares)
    return slope**2 / variance if variance > 0 else float("inf")


_NOTHING = Mean(float("nan"), float("nan"), float("nan"), float("nan"))


def _variance(influence: np.ndarray) -> float:
    """Variance of a sum of influences [direction, …], clustered by direction."""
    each = influence.reshape(len(influence), -1).sum(axis=1)
    return float(np.square(each).sum()) * len(each) / (len(each) - 1)

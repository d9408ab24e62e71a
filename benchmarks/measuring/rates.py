"""When the bursts of a month come: its days, its busy hours, and the chance that is left."""

from __future__ import annotations

import numpy as np
from measuring.bursts import CLASSES, KNOWN, TYPES, Month
from numpy.typing import NDArray

from vmagent_marl.trace.synthetic.statistics import MonthStatistics
from vmagent_marl.trace.units import DAY, HOUR

FloatArray = NDArray[np.float64]

HEAVY = 11  # types from here on are too rare for days of their own and keep out of the others'
PRIOR = 2.0  # bursts a day for which the profile of all types speaks


def day_profiles(real: Month, deleted: FloatArray) -> FloatArray:
    """(type, class, day) how busy: of its own where it is known, else of types like it."""
    came = real.bursts(DAY) / deleted
    profile = np.empty_like(came)
    for c in range(CLASSES):
        usual, heavy = came[:HEAVY, c].sum(axis=0), came[HEAVY:, c].sum(axis=0) + PRIOR
        for t in range(TYPES):
            like = usual / usual.mean() if t < HEAVY else heavy / heavy.mean()
            own = (came[t, c] + PRIOR) / (like * came[t, c].mean() + PRIOR) * like
            known = came[t, c].sum() >= KNOWN
            profile[t, c] = own / own.mean() if known else like
    return profile


def busy_hours(real: Month, expected: FloatArray) -> FloatArray:
    """(class, hour of the month) how busy beyond (class, hour) bursts that the days let expect.

    Counts scatter by chance as well; of each excess only that part is kept that leaves the variance
    of a Poisson count with such a mean as large as the measured one.
    """
    count = real.bursts(HOUR).sum(axis=0)
    excess = count - expected
    variance = (excess**2).sum(axis=1)
    kept = np.sqrt(np.maximum(variance - expected.sum(axis=1), 0) / variance)
    return np.maximum(1 + kept[:, None] * excess / np.maximum(expected, 0.3), 0)


def overdispersion(real: Month, month: MonthStatistics, deleted: FloatArray) -> FloatArray:
    """(type, class) k of the Gamma(1/k, k) factor that is left of the hours' variance."""
    hourly = (month.day * deleted)[:, :, :, None] * (month.hour[:, None] * month.busy)
    expected = hourly.reshape(TYPES, CLASSES, -1)
    count = real.bursts(HOUR)
    k = np.minimum(month.overdispersion, 1.0)
    for t, c in np.ndindex(TYPES, CLASSES):
        if (bursts := count[t, c].sum()) >= KNOWN:
            mean = expected[t, c] * bursts / expected[t, c].sum()
            k[t, c] = max(((count[t, c] - mean) ** 2).sum() - bursts, 0) / (mean**2).sum()
    return k

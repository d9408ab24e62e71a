"""Pictures: scores, learning curves, traces, and how full the servers were."""

from vmagent_marl.view.heatmap import Occupancy, plot_occupancy, record_occupancy
from vmagent_marl.view.plots import plot_learning_curve, plot_scores
from vmagent_marl.view.trace_plots import plot_traces

__all__ = [
    "Occupancy",
    "plot_learning_curve",
    "plot_occupancy",
    "plot_scores",
    "plot_traces",
    "record_occupancy",
]

"""Pictures: scores, learning curves, traces, how full the servers were, and whole episodes."""

from vmagent_marl.view.heatmap import Occupancy, plot_occupancy, record_occupancy
from vmagent_marl.view.plots import plot_learning_curve, plot_scores
from vmagent_marl.view.profiles import plot_profiles
from vmagent_marl.view.trace_plots import plot_traces
from vmagent_marl.view.video import export_episode

__all__ = [
    "Occupancy",
    "export_episode",
    "plot_learning_curve",
    "plot_occupancy",
    "plot_profiles",
    "plot_scores",
    "plot_traces",
    "record_occupancy",
]

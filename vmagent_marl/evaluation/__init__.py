"""How good policies are: episodes on held-out windows, scores with intervals, and reports."""

from vmagent_marl.episodes.collecting.intervals import Estimate
from vmagent_marl.episodes.recording.play import Played, play
from vmagent_marl.evaluation.bounds import Bound, bound_of
from vmagent_marl.evaluation.evaluating import ALL, evaluate
from vmagent_marl.evaluation.json_form import to_json, write_json
from vmagent_marl.evaluation.report import metrics_table, print_scores, score_table
from vmagent_marl.evaluation.scores import Result, Scores, score_of
from vmagent_marl.evaluation.starts import read_starts
from vmagent_marl.evaluation.title import title_of

__all__ = [
    "ALL",
    "Bound",
    "Estimate",
    "Played",
    "Result",
    "Scores",
    "bound_of",
    "evaluate",
    "metrics_table",
    "play",
    "print_scores",
    "read_starts",
    "score_of",
    "score_table",
    "title_of",
    "to_json",
    "write_json",
]

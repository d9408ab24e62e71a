"""Work that processes do ahead, here or on a Ray cluster, handed out in order."""

from vmagent_marl.parallel.in_turn import in_turn, kept

__all__ = ["in_turn", "kept"]

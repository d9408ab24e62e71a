"""d3rlpy's Adam, whose step over small networks takes one call in the place of a dozen a tensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn

from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import (
    AdamFactory,
    register_optimizer_factory,
)


class FusedAdam(torch.optim.Adam):
    """Torch's fused Adam, which forgets gradients where d3rlpy would write zeros."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Whatever `set_to_none` says: what is absent need not be added to."""
        super().zero_grad(set_to_none=True)


@dataclass
class FusedAdamFactory(AdamFactory):  # type: ignore[misc]  # d3rlpy has no annotations
    """d3rlpy's `AdamFactory`, fused: the same steps up to rounding."""

    def create_optimizer(
        self, named_modules: Iterable[tuple[str, nn.Module]], lr: float
    ) -> FusedAdam:
        """Of all parameters, each once."""
        parameters = {p: None for _, module in named_modules for p in module.parameters()}
        return FusedAdam(
            list(parameters),
            lr=lr,
            betas=self.betas,
            eps=self.eps,
            weight_decay=self.weight_decay,
            amsgrad=self.amsgrad,
            fused=True,
        )

    @staticmethod
    def get_type() -> str:
        """Name in what d3rlpy saves."""
        return "fused_adam"


def fused(factory: Any) -> Any:
    """The same factory, of fused steps where it is plain Adam's."""
    if type(factory) is not AdamFactory:
        return factory
    return FusedAdamFactory(**{each.name: getattr(factory, each.name) for each in fields(factory)})


register_optimizer_factory(FusedAdamFactory)

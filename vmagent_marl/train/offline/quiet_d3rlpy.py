"""What we use of d3rlpy, without its noise: the one place that imports it.

It brings gym, which prints a notice to stderr and warns of deprecations that are not ours, and it
logs at every turn.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

from vmagent_marl.errors import VmagentError

try:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import structlog
        from d3rlpy import ActionSpace
        from d3rlpy.algos import DiscreteBC, DiscreteBCConfig, DiscreteCQLConfig
        from d3rlpy.algos.qlearning.torch.bc_impl import DiscreteBCImpl, DiscreteBCModules
        from d3rlpy.base import register_learnable
        from d3rlpy.dataset import (
            BasicTransitionPicker,
            Episode,
            InfiniteBuffer,
            ReplayBuffer,
            TransitionMiniBatch,
        )
        from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
        from d3rlpy.models.q_functions import QFunctionFactory, register_q_func_factory
        from d3rlpy.models.torch import (
            DiscreteImitationLoss,
            DiscreteMeanQFunctionForwarder,
            Encoder,
        )
        from d3rlpy.models.torch.q_functions.base import QFunctionOutput
        from d3rlpy.torch_utility import TorchMiniBatch
except ModuleNotFoundError as error:
    raise VmagentError(
        f'offline learners need d3rlpy ({error}): in the checkout, pip install ".[offline]"'
    ) from None

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

__all__ = [
    "ActionSpace",
    "BasicTransitionPicker",
    "DiscreteBC",
    "DiscreteBCConfig",
    "DiscreteBCImpl",
    "DiscreteBCModules",
    "DiscreteCQLConfig",
    "DiscreteImitationLoss",
    "DiscreteMeanQFunctionForwarder",
    "Encoder",
    "EncoderFactory",
    "Episode",
    "InfiniteBuffer",
    "QFunctionFactory",
    "QFunctionOutput",
    "ReplayBuffer",
    "TorchMiniBatch",
    "TransitionMiniBatch",
    "register_encoder_factory",
    "register_learnable",
    "register_q_func_factory",
]

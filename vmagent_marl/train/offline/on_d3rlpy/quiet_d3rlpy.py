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
        from d3rlpy.algos import (
            DiscreteBC,
            DiscreteBCConfig,
            DiscreteBCQ,
            DiscreteBCQConfig,
            DiscreteCQLConfig,
            DiscreteSAC,
            DiscreteSACConfig,
            DoubleDQNConfig,
        )
        from d3rlpy.algos.qlearning.torch.bc_impl import DiscreteBCImpl, DiscreteBCModules
        from d3rlpy.algos.qlearning.torch.bcq_impl import (
            DiscreteBCQImpl,
            DiscreteBCQLoss,
            DiscreteBCQModules,
        )
        from d3rlpy.algos.qlearning.torch.dqn_impl import DoubleDQNImpl
        from d3rlpy.algos.qlearning.torch.sac_impl import DiscreteSACImpl, DiscreteSACModules
        from d3rlpy.base import register_learnable
        from d3rlpy.dataset import (
            BasicTransitionPicker,
            Episode,
            InfiniteBuffer,
            ReplayBuffer,
            TransitionMiniBatch,
        )
        from d3rlpy.models.builders import create_discrete_q_function, create_parameter
        from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
        from d3rlpy.models.q_functions import QFunctionFactory, register_q_func_factory
        from d3rlpy.models.torch import (
            DiscreteImitationLoss,
            DiscreteMeanQFunctionForwarder,
            Encoder,
            get_parameter,
        )
        from d3rlpy.models.torch.q_functions.base import QFunctionOutput
        from d3rlpy.optimizers import AdamFactory, register_optimizer_factory
        from d3rlpy.torch_utility import TorchMiniBatch, unwrap_ddp_model, wrap_model_by_ddp
except ModuleNotFoundError as error:
    raise VmagentError(
        f'offline learners need d3rlpy ({error}): in the checkout, pip install ".[offline]"'
    ) from None

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))

__all__ = [
    "ActionSpace",
    "AdamFactory",
    "BasicTransitionPicker",
    "DiscreteBC",
    "DiscreteBCConfig",
    "DiscreteBCImpl",
    "DiscreteBCModules",
    "DiscreteBCQ",
    "DiscreteBCQConfig",
    "DiscreteBCQImpl",
    "DiscreteBCQLoss",
    "DiscreteBCQModules",
    "DiscreteCQLConfig",
    "DiscreteImitationLoss",
    "DiscreteMeanQFunctionForwarder",
    "DiscreteSAC",
    "DiscreteSACConfig",
    "DiscreteSACImpl",
    "DiscreteSACModules",
    "DoubleDQNConfig",
    "DoubleDQNImpl",
    "Encoder",
    "EncoderFactory",
    "Episode",
    "InfiniteBuffer",
    "QFunctionFactory",
    "QFunctionOutput",
    "ReplayBuffer",
    "TorchMiniBatch",
    "TransitionMiniBatch",
    "create_discrete_q_function",
    "create_parameter",
    "get_parameter",
    "register_encoder_factory",
    "register_learnable",
    "register_optimizer_factory",
    "register_q_func_factory",
    "unwrap_ddp_model",
    "wrap_model_by_ddp",
]

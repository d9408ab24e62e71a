"""BenchMARL: one experiment on policy and one off, masked, from the batch."""

import warnings

import pytest
from adapters.libraries import need

need("benchmarl")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from benchmarl.algorithms import MappoConfig, QmixConfig
    from benchmarl.experiment import Callback, Experiment, ExperimentConfig
    from benchmarl.models.mlp import MlpConfig

from vmagent_marl.adapters.benchmarl import ClusterTask
from vmagent_marl.errors import ScenarioError


class Legal(Callback):
    """Looks at every batch that is collected."""

    frames = 0

    def on_batch_collected(self, batch):
        mask, action = batch["cluster", "action_mask"], batch["cluster", "action"]
        assert mask.any(-1).all()
        assert mask.gather(-1, action[..., None]).all()
        assert batch["next", "done"].sum() == batch.numel() // 25
        Legal.frames += batch.numel()


@pytest.mark.filterwarnings("ignore")  # of its own use of torch and TorchRL
@pytest.mark.parametrize("algorithm", [MappoConfig, QmixConfig])
def test_experiment(algorithm, tmp_path):
    config = ExperimentConfig.get_from_yaml()
    config.loggers, config.create_json, config.render = [], False, False
    config.save_folder = str(tmp_path)
    config.sampling_device = config.train_device = "cpu"
    config.max_n_frames, config.evaluation_interval, config.evaluation_episodes = 800, 400, 2
    for kind in ("on_policy", "off_policy"):
        setattr(config, f"{kind}_n_envs_per_worker", 4)
        setattr(config, f"{kind}_collected_frames_per_batch", 400)
    config.on_policy_minibatch_size, config.on_policy_n_minibatch_iters = 100, 2
    config.off_policy_train_batch_size, config.off_policy_n_optimizer_steps = 64, 4
    Legal.frames = 0
    experiment = Experiment(
        task=ClusterTask("region-prices", horizon=25),
        algorithm_config=algorithm.get_from_yaml(),
        model_config=MlpConfig.get_from_yaml(),
        critic_model_config=MlpConfig.get_from_yaml(),
        seed=0,
        config=config,
        callbacks=[Legal()],
    )
    before = [p.clone() for p in experiment.policy.parameters()]
    experiment.run()
    assert Legal.frames == experiment.total_frames == 800
    assert any((p != q).any() for p, q in zip(before, experiment.policy.parameters(), strict=True))


def test_a_horizon_that_makes_no_game_is_refused():
    with pytest.raises(ScenarioError, match="horizon"):
        ClusterTask("region-prices", horizon=0)

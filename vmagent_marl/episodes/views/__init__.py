"""What others read: arrays by agent, single agents, TorchRL, memory maps."""

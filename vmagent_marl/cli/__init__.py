"""The command `vmagent-marl`."""

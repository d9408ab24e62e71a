"""Learners that d3rlpy lacks, in torch."""

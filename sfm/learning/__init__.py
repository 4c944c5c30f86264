"""Patch sets, losses, training and descriptor benchmarks."""

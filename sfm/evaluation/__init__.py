"""Errors of trajectories and poses against ground truth."""

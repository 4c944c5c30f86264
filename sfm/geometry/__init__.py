"""Poses, cameras, two-view geometry, robust estimation, alignment."""

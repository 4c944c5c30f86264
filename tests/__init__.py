"""Tests mirror sfm/."""

"""Scales of Gaussian errors, read from medians that wrong matches do not move."""

MAD_TO_SIGMA = 1.4826
"""Standard deviations in a median absolute error."""

MEDIAN_LENGTH_2D = 1.1774
"""The median length of a 2-D error, in standard deviations of a coordinate."""

MEDIAN_LENGTH_3D = 1.5382
"""The median length of a 3-D error, in standard deviations of a coordinate."""

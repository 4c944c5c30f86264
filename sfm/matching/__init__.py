"""Which pairs of images to match, and mutual nearest neighbours."""

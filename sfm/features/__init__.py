"""Keypoints, patches, descriptors and their networks."""

"""Putative matches of real photographs, made with OpenCV alone."""

from functools import cache

import cv2
import numpy as np


@cache
def rootsift(path):
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    keypoints, rows = cv2.SIFT_create(3000).detectAndCompute(image, None)
    rows = np.sqrt(rows / rows.sum(axis=1, keepdims=True))
    return np.array([keypoint.pt for keypoint in keypoints]), rows


@cache
def ratio_matches(path1, path2, ratio=0.8):
    """Return matching points (M, 2), (M, 2) that pass the ratio test from the first image to the second."""
    (xy1, rows1), (xy2, rows2) = rootsift(path1), rootsift(path2)
    similarity = rows1 @ rows2.T
    second, first = np.argpartition(similarity, -2, axis=1)[:, -2:].T
    rows = np.arange(len(rows1))
    distance_sq = 2 - 2 * similarity
    kept = distance_sq[rows, first] < ratio**2 * distance_sq[rows, second]
    return xy1[kept], xy2[first[kept]]

"""A small homography sequence."""

import cv2
import numpy as np


def picture(seed=0, width=400, height=300):
    """Smooth noise, (H, W) uint8."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 2.5)
    return np.clip(127 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)


def write_sequence(folder):
    """Write two pictures of one plane and their homography into `folder`, and return it."""
    H = np.array([[0.9, 0.1, 20], [-0.1, 0.95, 30], [1e-4, 0, 1]])
    cv2.imwrite(str(folder / "img1.png"), picture())
    cv2.imwrite(str(folder / "img2.png"), cv2.warpPerspective(picture(), H, (400, 300)))
    np.savetxt(folder / "H_1_2.txt", H)
    return folder

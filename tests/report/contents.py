"""Contents of pages, made up."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from sfm.geometry.similarity import Sim3
from sfm.mapping.database import VerifiedPair
from sfm.report.comparison import Arm, ComparisonContent, map_numbers
from sfm.report.content import GalleryPair, ReportContent

from .maps import walk_map

HOSTILE = "</script><script>window.stolen=1</script>.jpg"
HOSTILE_ATTRIBUTE = '"><img src=x onerror=window.stolen=2>.jpg'


def chain_of_pairs(names, reach=3):
    """Each name verified with its next neighbours, and rejected with one further on."""
    pairs = []
    for i, name in enumerate(names):
        for gap in range(1, reach + 2):
            if i + gap < len(names):
                accepted = gap <= reach
                inliers = 600 // gap if accepted else 5
                pairs.append(
                    VerifiedPair(name, names[i + gap], 900, inliers, "calibrated", -40.0, 0.1, accepted)
                )
    return pairs


def gallery_pair(name1="frame 0000.jpg", name2="frame 0001.jpg", matches=60, seed=0):
    rng = np.random.default_rng(seed)
    image1, image2 = rng.integers(0, 255, (2, 48, 64, 3)).astype(np.uint8)
    xy1, xy2 = rng.uniform(0, 479, (2, matches, 2))
    return GalleryPair(
        name1,
        name2,
        image1,
        image2,
        (640, 480),
        (640, 480),
        xy1,
        xy2,
        np.arange(matches) < matches * 2 // 3,
        "most inliers",
    )


RUN = {
    "command": "sfm reconstruct 'my photos' --descriptor sift",
    "descriptor": "sift",
    "started": "2026-11-22T12:00:00+00:00",
    "mapped": "as a walk, intrinsics held",
    "options": {"detection": {"max_keypoints": 8192}, "matching": {"ratio": None}},
    "versions": {"pycolmap": "4.2.1"},
    "stages": {"features": {"seconds": 12.34, "images": 12}, "mapping": {"seconds": 3.0, "reused": False}},
    "self_check": {
        "focal_ratios": {"1": 1.012},
        "gps": {"rms_m": 4.7, "spread_m": 33.0},
        "pairs": 30,
        "contradicting_pairs": 2,
        "misplaced": ["b.jpg"],
        "problems": [],
    },
}


def report_content(images=12, points=600, names=None, **changes):
    sparse_map = walk_map(images, points, names=names)
    known = [image.name for image in sparse_map.images_by_name]
    values = {
        "title": "A walk",
        "sparse_map": sparse_map,
        "pairs": chain_of_pairs(known),
        "gallery": [gallery_pair(*known[:2])] if images > 1 else [],
        "run": RUN,
    }
    return ReportContent(**{**values, **changes})


def comparison_content(failed="", **changes):
    """Three arms in frames of their own, or two and one that failed; the first has the most images."""
    moved = Sim3(3.0, Rotation.from_rotvec([0.3, -0.5, 1.0]).as_matrix(), np.array([10.0, -4.0, 7.0]))
    full = walk_map()
    fewer = walk_map(9, 400).transformed(moved)
    # The same photographs end at other places here and there.
    some = replace(walk_map(11, 500), images={i: image for i, image in walk_map(11).images.items() if i != 3})

    def repeated(sparse_map):
        return {key: [value, value, value] for key, value in map_numbers(sparse_map).items()}

    arms = [
        Arm("sift", full, repeated(full), gallery=[gallery_pair()]),
        Arm(
            "triplet", fewer, repeated(fewer), warnings=["The GPS disagrees."], gallery=[gallery_pair(seed=1)]
        ),
        Arm("sosnet", None, failure=failed) if failed else Arm("sosnet", some, repeated(some)),
    ]
    names = [image.name for image in full.images_by_name]
    return replace(ComparisonContent("A walk", names, arms, run=RUN), **changes)

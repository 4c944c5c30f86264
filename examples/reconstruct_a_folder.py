"""Turn a folder of photographs into a map from Python, and look at what came out.

python examples/reconstruct_a_folder.py PHOTOS OUT

The same command again does no work twice: it finds the finished map in OUT.
"""

import argparse
from pathlib import Path

import sfm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("out", type=Path, help="folder for the map")
    arguments = parser.parse_args()

    # Every option of `sfm reconstruct --help` can be given by its name, with underscores for dashes.
    result = sfm.reconstruct(arguments.photos, arguments.out, max_keypoints=4096)

    largest = result.map
    print(f"{len(largest.images)} of {result.images} photographs are in the map.")
    print(f"{len(largest.xyz)} points, each seen in {largest.mean_track_length:.1f} photographs on average,")
    print(f"with a reprojection error of {largest.mean_error_px:.2f} px.")
    for name, reason in result.left_out.items():
        print(f"{name} is left out: {reason}.")

    print("\nCamera centres, in the map's own unit:")
    for name, pose in largest.poses.items():
        x, y, z = pose.center
        print(f"{name:20} {x:8.3f} {y:8.3f} {z:8.3f}")


if __name__ == "__main__":
    main()

"""Fine-tune a descriptor on the points of your own map, and map again with it.

python examples/adapt_to_your_map.py PHOTOS OUT --steps 300

A finished map says which patches show the same surface point: training data for free, from your own camera and your
own kind of scene. The numbers at the end are of the photographs that it was trained on; judge it by others.
"""

import argparse
from pathlib import Path

import sfm
from sfm.learning.training_options import TrainingOptions
from sfm.pipelines.train import load_init, map_patches, train_descriptor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of photographs")
    parser.add_argument("out", type=Path, help="folder for the maps and the weights")
    parser.add_argument("--steps", type=int, default=300, help="batches to train on")
    parser.add_argument("--max-keypoints", type=int, default=4096, help="keypoints an image at most")
    arguments = parser.parse_args()

    def reconstruct(folder: str, weights: Path | None = None) -> sfm.Reconstruction:
        return sfm.reconstruct(
            arguments.photos,
            arguments.out / folder,
            descriptor="sosnet",
            weights=weights,
            max_keypoints=arguments.max_keypoints,
        )

    before = reconstruct("before")

    # Every point of the map that several photographs see gives that many patches.
    start = load_init("sosnet", "sosnet")
    patches = map_patches([before.out], arguments.out / "patches", start)
    print(f"{patches.num_points} points with {patches.num_patches} patches to learn from.")

    # Small steps: the network is to be adapted, not to forget.
    options = TrainingOptions(
        loss="sosnet", steps=arguments.steps, batch_size=min(512, patches.num_points), learning_rate=5e-4
    )
    run = train_descriptor(patches, arguments.out / "training", options, init=start)
    print(f"The weights are in {run.trained.weights}.")

    after = reconstruct("after", run.trained.weights)
    print(f"\n{'':16}{'images':>8}{'points':>8}{'verified matches':>18}")
    for name, result in (("packaged", before), ("adapted", after)):
        verified = sum(pair["inliers"] for pair in result.record["pairs"] if pair["accepted"])
        print(f"{name:16}{len(result.map.images):8}{len(result.map.xyz):8}{verified:18}")


if __name__ == "__main__":
    main()

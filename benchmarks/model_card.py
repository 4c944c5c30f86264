"""Write the model card of a trained descriptor: its recipe from the training, its figures from `sfm benchmark --json`.

    sfm benchmark homographies frankfurt ... -d sift -d triplet -d sosnet --json > figures.json
    python benchmarks/model_card.py sosnet --run runs/sosnet --patches runs/patches --figures figures.json

Where a training went on from another's weights, --run takes both folders, in their order. With --publish the weights
also go into the package, under their name.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sfm.features import pretrained
from sfm.files import atomic_path
from sfm.learning.losses import RECIPES
from sfm.learning.patch_set import PatchSet
from sfm.learning.patch_set_options import PatchSetOptions
from sfm.learning.training_options import TrainingOptions

ROOT = Path(__file__).resolve().parents[1]
CARDS = ROOT / "docs" / "models"

NETWORKS = {
    "sosnet": "SOSNet (Tian et al., CVPR 2019), 1.3 million weights",
    "triplet": "SOSNet (Tian et al., CVPR 2019), 1.3 million weights",
    "hardnet": "HardNet (Mishchuk et al., NeurIPS 2017), 1.3 million weights",
    "l2net": "L2-Net (Tian et al., CVPR 2017), 1.3 million weights",
    "tfeat": "TFeat (Balntas et al., BMVC 2016), 0.6 million weights",
}
LOSSES = {
    "sosnet": "quadratic hinge triplet over all four blocks of the batch, plus second-order similarity",
    "triplet": "quadratic hinge triplet over all four blocks of the batch; no second-order term",
    "hardnet": "linear hinge with the hardest negative in the other view",
    "l2net": "relative distance in the batch, and uncorrelated dimensions",
    "tfeat": "linear hinge with one random negative and anchor swap",
}
HEADINGS = {
    "homographies": "Homographies, all pairs (1, k) of a sequence; correct: within 3 px; solved: the estimated "
    "homography moves the corners by less",
    "webcam": "Fixed camera, 8 darkest against 8 brightest frames (64 pairs); correct: within 3 px; ratio: what gives "
    "RootSIFT's precision at 0.8",
    "poses": "Known poses, matches below the ratio that gives RootSIFT's precision at 0.8; correct: within 3 px of "
    "the true epipolar geometry",
    "hand-made": "Hand-made correspondences (WxBS) under the estimated fundamental matrix",
    "patches": "Patches of the held-out scenes",
}
LIMITS = """
## Limits

- Trained on few scenes, many of them seen from drones; little architecture, no indoor scenes, no real night.
- It describes patches of this width and orientation; pooling adds a patch twice as wide, on
  which it was not trained. Other detectors are untested.
- These are the weights of one seed. How much seeds differ is in [training](../training.md#5-how-sure-the-figures-are).
"""
DIGITS = {"correct": 0, "correct below it": 0, "correct a pair": 0, "ratio": 2, "dimensions": 1}


def card(
    name: str, runs: Sequence[dict[str, Any]], manifest: dict[str, Any], results: list[dict[str, Any]]
) -> str:
    """Return the card as Markdown."""
    options, last = runs[-1]["options"], runs[-1]["history"][-1]
    weight = options["second_order_weight"]
    weight = RECIPES[name].second_order_weight if weight is None else weight
    second_order = f" (weight {weight:g}, {options['neighbours']} neighbours)" if weight else ""
    held_out = options["validation_scenes"]
    before = " before the mean" if _option(options, "keep_of_init") else ""
    at_the_end = f"training loss{before} {last['loss']:.3f}"
    if held_out:
        at_the_end += (
            f"; on the held-out scenes FPR95 {100 * last['fpr95']:.2f}%, "
            f"{100 * last['matched']:.1f}% of 1024 points matched"
        )
    facts = {
        "network": f"{NETWORKS[name]}, 128 numbers a patch, stored as fp16",
        "input": _input(manifest, options),
        "loss": LOSSES[name] + second_order,
        "data": f"{manifest['points']:,} points, {manifest['patches']:,} patches from the photographs of "
        "[sources.json](sources.json); half of the drawn points have real views, half synthetic ones",
        "licences of the photographs": ", ".join(
            sorted({source["licence"] for source in manifest["sources"]})
        ),
        "held out for validation": f"whole scenes: {', '.join(held_out)}" if held_out else "nothing",
        "recipe": "; from these weights ".join(_recipe(run["options"]) for run in runs),
        "time": f"{sum(run['seconds'] for run in runs) / 60:.0f} minutes on one thread of a shared CPU, "
        f"{runs[-1]['precision']}",
        "at the end": at_the_end,
    }
    lines = [f"# Model card: {name}", "", "| | |", "|---|---|"]
    lines += [f"| {key} | {value} |" for key, value in facts.items()]
    lines += [
        "",
        "Made by (see [training](../training.md)):",
        "",
        "```",
        *_build_command(manifest["options"] | {key: manifest[key] for key in ("foveation", "orientation")}),
        *_train_commands(name, [run["options"] for run in runs]),
        "```",
        "",
    ]
    lines += [f"![Loss and validation errors over the steps]({name}-curve.png)", "", "## Figures", ""]
    lines += [
        "`sfm benchmark`, the same 3,000 strongest keypoints for all descriptors. None of these images was trained on; "
        "what was learned from looking at frankfurt stands in [training](../training.md#5-how-sure-the-figures-are)."
    ]
    shown = ["sift", *dict.fromkeys(of + way for of in ("triplet", name) for way in ("", "+pooling"))]
    for kind, heading in HEADINGS.items():
        rows = [result for result in results if result["kind"] == kind]
        if rows:
            lines += ["", f"{heading}:", "", *_table(rows, shown)]
    return "\n".join(lines) + "\n" + LIMITS


def _input(manifest: dict[str, Any], options: dict[str, Any]) -> str:
    """Tell what the network sees."""
    light = ", their light evened out (local contrast)" if options["local_contrast"] else ""
    foveation = manifest["foveation"]
    middle = f", {1 + foveation:g} times as fine in the middle as on average" if foveation else ""
    turned = (
        "the one angle of their image" if manifest["orientation"] == "image" else "the gradient around each"
    )
    return (
        f"32 x 32 grey patches, {manifest['patch_scale']:g} sigmas of their DoG keypoint wide{middle}{light}, "
        f"turned to {turned}"
    )


def _harder(options: dict[str, Any]) -> str:
    """Tell which of the options that make the task harder are on."""
    scenes, changed = options["scenes_per_batch"], _option(options, "other_surroundings")
    groups = f" out of {scenes} groups" if scenes else ""
    return groups + (f", {100 * changed:.0f}% of the patches with other surroundings" if changed else "")


def _option(options: dict[str, Any], key: str) -> Any:
    """Return an option of a run, which may be from before there was this option."""
    return options.get(key, getattr(TrainingOptions(), key))


def _recipe(options: dict[str, Any]) -> str:
    kept = _option(options, "keep_of_init")
    return (
        f"{options['steps']} batches of {options['batch_size']} points{_harder(options)}, Adam, step size"
        f" {options['learning_rate']:g} after {options['warm_up']} batches of warm-up, linear decay to 0, "
        f"flips and quarter turns, seed {options['seed']}"
        + (f"; the mean of the weights before and after ({kept:g} of those before)" if kept else "")
    )


def _build_command(built: dict[str, Any]) -> list[str]:
    """Return the command that builds the patch set."""
    build = [
        f"--{key.replace('_', '-')} {built[key] if isinstance(built[key], str) else f'{built[key]:g}'}"
        for key in (
            "patch_scale",
            "foveation",
            "orientation",
            "pairs_per_scene",
            "keypoints_per_image",
            "synthetic_views",
            "points_per_photo",
        )
        if built[key] != getattr(PatchSetOptions(), key)
    ]
    return ["sfm patches build sources.json -o patches \\", f"    {' '.join(build)}"]


def _train_commands(name: str, stages: Sequence[dict[str, Any]]) -> list[str]:
    """Return the commands that train on it, each from the weights of the one before."""
    lines = []
    before = None
    for number, options in enumerate(stages, start=1):
        train = [f"--loss {name}"]
        for key in (
            "steps",
            "batch_size",
            "scenes_per_batch",
            "other_surroundings",
            "keep_of_init",
            "learning_rate",
            "seed",
        ):
            value = _option(options, key)
            if value != getattr(TrainingOptions(), key):
                train.append(f"--{key.replace('_', '-')} {value:g}")
        if before:
            train.append(f"--init {before}/weights.safetensors")
        elif not options["local_contrast"]:
            train.append("--no-local-contrast")
        train += [f"--hold-out {scene}" for scene in options["validation_scenes"]]
        folder = f"{name}-run" if number == len(stages) else f"{name}-run-{number}"
        lines += [f"sfm train patches -o {folder} \\", f"    {' '.join(train)}"]
        before = folder
    return lines


def _table(results: list[dict[str, Any]], descriptors: list[str]) -> list[str]:
    columns = list(next(iter(results[0]["figures"].values())))
    lines = [f"| test | descriptor | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for result in results:
        for name in descriptors:
            if name in result["figures"]:
                cells = [f"{result['figures'][name][key]:.{DIGITS.get(key, 3)}f}" for key in columns]
                lines.append(f"| {result['test']} | {name} | {' | '.join(cells)} |")
    if results[0]["kind"] == "homographies":
        for name in descriptors:
            if name in results[0]["figures"]:
                correct = [result["figures"][name]["correct"] for result in results]
                tried = [
                    c / result["figures"][name]["precision"]
                    for c, result in zip(correct, results, strict=True)
                ]
                cells = [f"{sum(correct):.0f}", f"{sum(correct) / sum(tried):.3f}"] + [""] * (
                    len(columns) - 2
                )
                lines.append(f"| sum | {name} | {' | '.join(cells)} |")
    return lines


def _merged(files: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Put the figures of one test together, which may come from several runs of the benchmark."""
    by_test: dict[tuple[str, str], dict[str, Any]] = {}
    for result in itertools.chain.from_iterable(files):
        merged = by_test.setdefault((result["kind"], result["test"]), {**result, "figures": {}})
        merged["figures"] |= result["figures"]
    return list(by_test.values())


def _chained(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the trainings, each of which must have gone on from the weights of the one before."""
    runs = [json.loads((folder / "history.json").read_text()) for folder in folders]
    came_from = [None, *(pretrained.sha256(folder / "weights.safetensors") for folder in folders[:-1])]
    for run, folder, before in zip(runs, folders, came_from, strict=True):
        if run["options"]["init"] != before:
            raise SystemExit(f"{folder} did not go on from the folder before it: give --run the whole chain.")
    return runs


def main() -> None:
    """Write the card and the curve, and publish the weights if asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        help="output folder of sfm train; before it those whose weights it went on from",
    )
    parser.add_argument("--patches", type=Path, required=True, help="the patch set it was trained on")
    parser.add_argument("--figures", type=Path, nargs="*", default=[], help="files of sfm benchmark --json")
    parser.add_argument("--publish", action="store_true", help="put the weights into the package")
    arguments = parser.parse_args()
    runs = _chained(arguments.run)
    last = arguments.run[-1]
    manifest = PatchSet.open(arguments.patches).manifest
    results = _merged([json.loads(path.read_text())["results"] for path in arguments.figures])
    if arguments.publish:
        options = runs[-1]["options"]
        facts = {
            "network": NETWORKS[arguments.name].partition(" (")[0],
            **{key: manifest[key] for key in ("patch_scale", "foveation", "orientation")},
            **{key: options[key] for key in ("loss", "seed")},
            "steps": sum(run["options"]["steps"] for run in runs),
            "batch_size": options["batch_size"],
            "card": f"docs/models/{arguments.name}.md",
        }
        pretrained.publish(arguments.name, last / "weights.safetensors", facts)
    with atomic_path(CARDS / f"{arguments.name}.md") as temporary:
        temporary.write_text(card(arguments.name, runs, manifest, results), encoding="utf-8")
    shutil.copyfile(last / "curve.png", CARDS / f"{arguments.name}-curve.png")


if __name__ == "__main__":
    main()

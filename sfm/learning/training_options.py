"""Options of `sfm train`, apart from the work because torch is slow to import."""

from __future__ import annotations

from dataclasses import dataclass

from sfm.options import option


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained."""

    loss: str = option(
        "sosnet",
        "What to train, and by which loss.",
        choices=("sosnet", "triplet", "hardnet", "tfeat", "l2net"),
    )
    local_contrast: bool = option(
        True,
        "Show the network patches whose light is evened out, which matters most by night. Weights given by --init "
        "go on as they were trained.",
    )
    steps: int = option(2500, "Number of batches.", minimum=1)
    batch_size: int = option(512, "Points in a batch, each with two patches.", minimum=2)
    scenes_per_batch: int = option(
        0,
        "Draw a batch from this many groups of points (a scene's real or synthetic views): fewer make the "
        "negatives harder, as in one photograph; 0 for all of them.",
        minimum=0,
    )
    other_surroundings: float = option(
        0.0,
        "Share of the patches whose surroundings are changed each time they are drawn: another patch beside or around "
        "the keypoint, a lamp. A real night does so.",
        minimum=0.0,
        maximum=1.0,
    )
    keep_of_init: float = option(
        0.0,
        "Share of the weights of --init in the result: the mean of both knows what either does, nearly.",
        minimum=0.0,
        maximum=1.0,
    )
    learning_rate: float = option(5e-3, "Adam's step size after the warm-up.", minimum=0.0)
    warm_up: int = option(50, "Batches over which the step size rises; then it falls to 0.", minimum=0)
    second_order_weight: float | None = option(
        None, "Weight of the second-order term. Default: 1 for sosnet, 0 for the others.", minimum=0.0
    )
    neighbours: int = option(
        8, "Nearest neighbours whose distances the second-order term compares.", minimum=1
    )
    seed: int = option(0, "Seed of initial weights, batches and dropout.", minimum=0)
    validation_every: int = option(100, "Batches between two looks at the held-out scenes.", minimum=1)
    checkpoint_every: int = option(100, "Batches between two checkpoints.", minimum=1, affects_result=False)
    device: str = option("auto", "Where to compute.", choices=("auto", "cpu", "cuda"), affects_result=False)
    precision: str = option(
        "auto",
        "Arithmetic of the convolutions; auto is bfloat16 where the hardware multiplies matrices in it.",
        choices=("auto", "float32", "bfloat16"),
    )

"""What was measured of the cells of a sample: ten quantities, each as mean, as its error, and as the worst of all."""

from __future__ import annotations

QUANTITIES = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
FEATURES = [f"{quantity}_{how}" for how in ("mean", "error", "worst") for quantity in QUANTITIES]

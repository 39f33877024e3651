"""The order of the backbone's stages and of the fusions between them, as the names of its modules.

This is the one place that says it. It knows nothing of PyTorch, so that a command line can list the layers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

STAGES = ("layer1", "layer2", "layer3", "layer4")
"""The stages of every ResNet, by torchvision's names."""

FUSION = "stf"
FUSION_AFTER = (2, 3, 4)


def name_fusions(fusion: str = FUSION, after: Sequence[int] = FUSION_AFTER) -> dict[str, str]:
    """Each stage that a fusion follows -> the name of that fusion, in order.

    A fusion keeps the number of its place whichever others there are: after layer2 stands number 1, as in published
    weights.

    Args:
        fusion: the kind of fusion, with which the names begin.
        after: the numbers of the stages that a fusion follows, in increasing order.
    """
    return {f"layer{stage}": f"{fusion}{stage - 1}" for stage in after}


LAYERS = (*STAGES, *name_fusions().values())
"""Every layer whose maps can be looked at: `layerN` is what stage N gives, `stfN` what goes on from stage N + 1 once
its fusion has been added."""

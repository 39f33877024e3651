"""The order of the backbone's stages and of the fusions between them, as the names of its modules.

This is the one place that says it. It knows nothing of PyTorch, so that a command line can list the layers at once.
"""

from __future__ import annotations

from collections.abc import Sequence

STAGES = ("layer1", "layer2", "layer3", "layer4")
"""The stages of every ResNet, by torchvision's names."""

PREFIXES = {"stf": "stf", "correlation": "corr"}
"""Each kind of fusion -> how the names of its modules begin in published weights."""

FUSION_AFTER = (2, 3, 4)
"""The numbers of the stages that a fusion can follow. HFAM reads the maps of these, before their fusion."""


def name_fusions(fusion: str = "stf", after: Sequence[int] = FUSION_AFTER) -> dict[str, str]:
    """Each stage that a fusion follows -> the name of that fusion, in order.

    A fusion keeps the number of its place whichever others there are: after layer2 stands number 1, as in published
    weights.

    Args:
        fusion: the kind of fusion, a key of `PREFIXES`; or "none".
        after: the numbers of the stages that a fusion follows.

    Raises:
        ValueError: there is no such fusion; or no stage is named, or one that no fusion can follow, or one twice or
            out of order.
    """
    if fusion == "none":
        return {}
    if fusion not in PREFIXES:
        raise ValueError(f"fusion is {fusion!r}; choose one of {['none', *PREFIXES]}")
    if not after or list(after) != sorted(set(after) & set(FUSION_AFTER)):
        raise ValueError(
            f"fusion_after is {list(after)}; it must name stages among {list(FUSION_AFTER)}, each once and in order; "
            "fusion none is the network without them"
        )
    return {f"layer{stage}": f"{PREFIXES[fusion]}{stage - 1}" for stage in after}


LAYERS = (*STAGES, *(name for fusion in PREFIXES for name in name_fusions(fusion).values()))
"""Every layer whose maps can be looked at in a published network: `layerN` is what stage N gives, `stfN` or `corrN`
what goes on from stage N + 1 once its fusion has been added."""
